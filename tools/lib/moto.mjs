// moto, a stand-in for AWS's API that the tests of the AWS back end talk to: a virtual Python environment in the cache.
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readFileSync, renameSync, rmSync } from "node:fs";
import { dirname, join } from "node:path";

import { cacheFolder, root, which } from "./paths.mjs";
import { capture } from "./processes.mjs";
import { installHindrance, installSystemPackages } from "./system.mjs";
import { isAtLeast } from "./versions.mjs";

const requirements = join(root, "tools", "moto", "requirements.txt");
const oldestPython = "3.10";

/** The folder of the environment; its name follows from the versions, so that it is right when it exists. */
export function motoFolder(environment = process.env) {
  const hash = createHash("sha256").update(readFileSync(requirements)).digest("hex").slice(0, 12);
  return join(cacheFolder(environment), `moto-${hash}`);
}

/** The system's Python, which Debian's package makes able to build environments, else the first one on PATH. */
async function findPython() {
  for (const python of ["/usr/bin/python3", which("python3")]) {
    if (python === undefined || !existsSync(python)) continue;
    const { code, output } = await capture(python, ["--version"]);
    if (code === 0 && isAtLeast(output, oldestPython)) return python;
  }
  throw Object.assign(new Error(`Python ${oldestPython} or newer is not installed`), { exitCode: 3 });
}

async function run(program, args) {
  const { code, output } = await capture(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${output.trim()}`);
}

async function makeEnvironment(python, folder) {
  const { code, output } = await capture(python, ["-m", "venv", folder]);
  if (code === 0) return;
  const hindrance = installHindrance();
  if (hindrance !== undefined) throw new Error(`${output.trim()}\n${hindrance}\n  apt-get install python3-venv`);
  await installSystemPackages(["python3-venv"]);
  await run(python, ["-m", "venv", "--clear", folder]);
}

/** Builds the environment beside its place and moves it there when it is whole. */
export async function installMoto(folder = motoFolder()) {
  const python = await findPython();
  const building = `${folder}.${process.pid}`;
  mkdirSync(dirname(folder), { recursive: true });
  try {
    await makeEnvironment(python, building);
    const pip = ["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--no-cache-dir"];
    await run(join(building, "bin", "python"), [...pip, "--no-deps", "--requirement", requirements]);
    if (!existsSync(folder)) renameSync(building, folder);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** The set-up step of the tests' stand-in for AWS's API. */
export const motoStep = {
  title: "stand-in for AWS's API (moto)",
  required: false,
  plan: () => (existsSync(motoFolder()) ? undefined : "a Python environment of 140 MB in the cache (typically 30 s)"),
  run: () => installMoto(),
};
