// npm packages, from the lock file alone.
import { createHash } from "node:crypto";
import { existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { packagedNode } from "./node.mjs";
import { root, which } from "./paths.mjs";
import { capture } from "./processes.mjs";

/**
 * Whether the packages are what the lock file says: by our stamp, or because npm itself finished after the lock file
 * was last written.
 */
export function packagesAreReady(folder = root) {
  const modules = join(folder, "node_modules");
  const npmRecord = join(modules, ".package-lock.json");
  if (!existsSync(npmRecord)) return false;
  if (process.platform === "linux" && packagedNode(folder) === undefined) return false;
  const stamp = stampOf(folder);
  if (existsSync(stamp)) return readFileSync(stamp, "utf8") === lockHash(folder);
  return statSync(npmRecord).mtimeMs >= statSync(join(folder, "package-lock.json")).mtimeMs;
}

const stampOf = (folder) => join(folder, "node_modules", ".shadownet-lock");
const lockHash = (folder) =>
  createHash("sha256")
    .update(readFileSync(join(folder, "package-lock.json")))
    .digest("hex");

/** Installs the packages; no package's own install script runs. */
export async function installPackages(folder = root) {
  const npm = which("npm");
  if (npm === undefined)
    throw Object.assign(new Error("npm is not installed; install Node 20 or newer with npm"), { exitCode: 3 });
  const args = ["ci", "--ignore-scripts", "--no-audit", "--no-fund", "--loglevel=error"];
  const { code, output } = await capture(npm, args, { cwd: folder });
  if (code !== 0) throw new Error(`npm ci ended with exit code ${code}\n${output.trim()}`);
  writeFileSync(stampOf(folder), lockHash(folder));
}

/** The set-up step of the npm packages. */
export const packagesStep = {
  blocks: true,
  title: "npm packages",
  plan: () => (packagesAreReady() ? undefined : "npm ci, from package-lock.json (typically 20 s)"),
  run: () => installPackages(),
};
