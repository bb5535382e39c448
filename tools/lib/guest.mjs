// A whole Debian machine for QEMU, with a kernel that has what the host's may lack: netem above all. In the cache.
import { createHash } from "node:crypto";
import {
  copyFileSync,
  existsSync,
  mkdirSync,
  readFileSync,
  readdirSync,
  renameSync,
  rmSync,
  symlinkSync,
} from "node:fs";
import { join } from "node:path";

import { cacheFolder, root, which } from "./paths.mjs";
import { capture } from "./processes.mjs";

const recipe = join(root, "tools", "guest");
const mirror = "http://deb.debian.org/debian";
const suite = "bookworm";

/** The folder of the machine's kernel, first file system and disk; its name follows from what it is made of. */
function guestFolder(environment = process.env) {
  const hash = createHash("sha256").update(`${mirror} ${suite}`);
  for (const file of readdirSync(recipe).sort()) hash.update(readFileSync(join(recipe, file)));
  return join(cacheFolder(environment), `guest-${hash.digest("hex").slice(0, 12)}`);
}

async function run(program, args) {
  const { code, output } = await capture(program, args);
  if (code !== 0) throw new Error(`${program} ${args.join(" ")}: exit code ${code}\n${output.trim()}`);
}

/** Debian as its archive has it; only pages that nobody reads in there are left out. */
async function unpackDebian(folder) {
  const packages = readFileSync(join(recipe, "packages.txt"), "utf8").trim().split("\n");
  const unread = ["doc", "man", "locale", "info"].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`);
  await run("mmdebstrap", [
    "--quiet",
    "--variant=minbase",
    "--architectures=amd64",
    `--include=${packages.join(",")}`,
    ...unread,
    suite,
    folder,
    mirror,
  ]);
}

function addAgent(folder) {
  const units = join(folder, "etc", "systemd", "system");
  const unit = "shadownet-agent.service";
  copyFileSync(join(recipe, "agent.sh"), join(folder, "usr", "local", "sbin", "shadownet-agent"));
  copyFileSync(join(recipe, "init.sh"), join(folder, "usr", "local", "sbin", "shadownet-init"));
  copyFileSync(join(recipe, unit), join(units, unit));
  mkdirSync(join(units, "graphical.target.wants"), { recursive: true });
  symlinkSync(`../${unit}`, join(units, "graphical.target.wants", unit));
}

/** Builds the machine beside its place and moves it there when it is whole. Needs root. */
async function buildGuest(folder = guestFolder()) {
  for (const program of ["mmdebstrap", "mke2fs"]) {
    if (which(program, process.env, ["/usr/sbin", "/sbin"]) === undefined)
      throw new Error(`${program} is not installed`);
  }
  const building = `${folder}.${process.pid}`;
  const system = join(building, "system");
  mkdirSync(building, { recursive: true });
  try {
    await unpackDebian(system);
    addAgent(system);
    for (const name of ["vmlinuz", "initrd.img"]) {
      const [file] = readdirSync(join(system, "boot")).filter((each) => each.startsWith(`${name}-`));
      copyFileSync(join(system, "boot", file), join(building, name));
      rmSync(join(system, "boot", file));
    }
    await run("mke2fs", ["-q", "-t", "ext4", "-O", "^has_journal", "-d", system, join(building, "root.img"), "700M"]);
    rmSync(system, { recursive: true });
    if (!existsSync(folder)) renameSync(building, folder);
  } finally {
    rmSync(building, { recursive: true, force: true });
  }
}

/** The set-up step of the tests' Debian machine. */
export const guestStep = {
  title: "Debian machine for the tests (QEMU)",
  required: false,
  plan: () =>
    existsSync(guestFolder()) ? undefined : "a disk of 300 MB in the cache, from Debian's archive (typically 1 min)",
  run: () => buildGuest(),
};
