// The Pulumi engine: where it is looked for, in which order, and what a complete engine folder holds.
import { existsSync, statSync } from "node:fs";
import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";

import { buildEngine } from "./engine-build.mjs";
import { downloadEngine } from "./engine-download.mjs";
import { cacheFolder, root, which } from "./paths.mjs";
import { capture } from "./processes.mjs";
import { isAtLeast } from "./versions.mjs";

/** The version that is downloaded or built; the SDK in package.json is the same. */
export const engineVersion = "3.259.0";
/** The oldest `pulumi` on PATH that is used as it is. */
export const oldestEngine = "3.230.0";

/** Every way to an engine failed; `message` says what was tried and what to do. */
export class NoEngine extends Error {
  constructor(attempts) {
    const tried = attempts.map(({ way, reason }) => `  ${way}: ${reason}`);
    const cure = [
      "what to do, any one of:",
      "  install Pulumi, https://www.pulumi.com/docs/install/, and have `pulumi` on PATH",
      "  install Go 1.25 or newer, https://go.dev/doc/install, and run the command again",
      `  put the content of Pulumi's release archive ${engineVersion} into ${engineCache()}`,
    ];
    super(["no Pulumi engine could be had; tried, in this order:", ...tried, ...cure].join("\n"));
    this.exitCode = 3;
  }
}

/** The folder in which the engine is kept for every checkout of this user. */
export function engineCache(environment = process.env) {
  return join(cacheFolder(environment), "engine", engineVersion);
}

/** Runs the engine in a folder and returns its version; throws when it does not run. */
async function runForVersion(folder) {
  const environment = { ...process.env, PULUMI_SKIP_UPDATE_CHECK: "true" };
  const { code, output } = await capture(join(folder, "pulumi"), ["version"], { env: environment });
  const version = output.trim().split("\n").at(-1);
  if (code !== 0) throw new Error(`${join(folder, "pulumi")} does not run: ${output.trim()}`);
  return version.replace(/^v/, "");
}

/** The version of an engine that has been run before and is still the same file, else by running it. */
async function verifyEngine(folder, environment) {
  const program = join(folder, "pulumi");
  const { mtimeMs, size } = statSync(program);
  const record = join(cacheFolder(environment), "verified.json");
  const verified = await readFile(record, "utf8").then(JSON.parse, () => ({}));
  const mark = `${mtimeMs}:${size}`;
  if (verified[program]?.mark === mark) return verified[program].version;
  const version = await runForVersion(folder);
  await mkdir(dirname(record), { recursive: true });
  await writeFile(`${record}.${process.pid}`, JSON.stringify({ ...verified, [program]: { mark, version } }));
  await rename(`${record}.${process.pid}`, record);
  return version;
}

/** A `pulumi` on PATH, when it is new enough and its Node language host is there too. */
export async function engineOnPath(environment = process.env) {
  const program = which("pulumi", environment);
  if (program === undefined) throw new Error("not on PATH");
  const folder = dirname(program);
  const version = await verifyEngine(folder, environment);
  if (!isAtLeast(version, oldestEngine)) throw new Error(`${program} is ${version}, older than ${oldestEngine}`);
  if (which("pulumi-language-nodejs", { PATH: folder }, (environment.PATH ?? "").split(":")) === undefined) {
    throw new Error(`${program} has no pulumi-language-nodejs beside it or on PATH`);
  }
  return { folder, version };
}

/** The engine in our cache. Its small language host is brought up to date with this checkout. */
export async function engineInCache(environment = process.env) {
  const folder = engineCache(environment);
  if (!existsSync(join(folder, "pulumi"))) throw new Error(`nothing in ${folder}`);
  const version = await verifyEngine(folder, environment);
  if (version !== engineVersion) throw new Error(`${folder} holds ${version}, not ${engineVersion}`);
  if (!existsSync(join(folder, "pulumi-language-nodejs")) || existsSync(join(folder, "language-host"))) {
    await completeEngine(folder);
  }
  return { folder, version };
}

/** Puts beside a self-built engine what the official archive would bring for Node programs. */
export async function completeEngine(folder) {
  await mkdir(join(folder, "language-host"), { recursive: true });
  const host = join(root, "tools", "language-host");
  const files = [
    [join(host, "host.cjs"), "language-host/host.cjs"],
    [join(host, "packages.cjs"), "language-host/packages.cjs"],
    [join(host, "pulumi-language-nodejs"), "pulumi-language-nodejs"],
    [join(host, "pulumi-resource-pulumi-nodejs"), "pulumi-resource-pulumi-nodejs"],
  ];
  await Promise.all(files.map(([from, to]) => copyIfDifferent(from, join(folder, to))));
}

async function copyIfDifferent(from, to) {
  const wanted = await readFile(from);
  const present = existsSync(to) ? await readFile(to) : undefined;
  if (present?.equals(wanted)) return;
  const temporary = `${to}.${process.pid}`;
  await writeFile(temporary, wanted, { mode: 0o755 });
  await rename(temporary, to);
}

/** Has a way fill a temporary folder beside the cache, proves that the engine runs, and moves it into place at once. */
async function intoCache(fill, environment) {
  const folder = engineCache(environment);
  const temporary = `${folder}.${process.pid}.tmp`;
  await rm(temporary, { recursive: true, force: true });
  await mkdir(temporary, { recursive: true });
  try {
    await fill(temporary);
    const version = await runForVersion(temporary);
    if (version !== engineVersion) throw new Error(`it says that its version is ${version}, not ${engineVersion}`);
    await rm(folder, { recursive: true, force: true });
    await rename(temporary, folder);
    return { folder, version };
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
}

/** The ways to an engine that is there already, in order. */
export function readyWays(environment = process.env) {
  return [
    { way: "pulumi on PATH", find: () => engineOnPath(environment) },
    { way: "cache", find: () => engineInCache(environment) },
  ];
}

/** Every way to an engine, in order; `report` takes lines of progress. */
export function allWays(report, environment = process.env) {
  const version = engineVersion;
  const download = (folder) => downloadEngine({ version, folder, report, environment });
  const build = async (folder) => {
    await buildEngine({ version, folder, module: join(root, "tools", "engine"), report, environment });
    await completeEngine(folder);
  };
  return [
    ...readyWays(environment),
    { way: "Pulumi's download", find: () => intoCache(download, environment) },
    { way: "build from Go modules", find: () => intoCache(build, environment) },
  ];
}

/** Tries ways in order and returns the first engine found, with the way; throws {@link NoEngine} when none leads there. */
export async function findEngine(ways) {
  const attempts = [];
  for (const { way, find } of ways) {
    try {
      return { way, ...(await find()) };
    } catch (error) {
      attempts.push({ way, reason: error.message });
    }
  }
  throw new NoEngine(attempts);
}

/** The set-up step of the engine. */
export const engineStep = {
  title: "Pulumi engine",
  plan: async () => {
    try {
      await findEngine(readyWays());
      return undefined;
    } catch (error) {
      if (!(error instanceof NoEngine)) throw error;
      return `download ${engineVersion} or, without access to it, build it with Go (typically 5 min)`;
    }
  },
  run: async (report) => {
    const { way, folder } = await findEngine(allWays(report));
    report(`${way}: ${folder}`);
  },
};
