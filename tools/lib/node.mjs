// The Node that everything after set-up runs with: an npm package of this project, so the system's does not matter.
import { existsSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";

import { root } from "./paths.mjs";
import { isAtLeast } from "./versions.mjs";

const oldestNode = "22.18.0";

/** The packaged Node 24 that a folder's modules can reach; undefined when it is not installed. */
export function packagedNode(folder = root, platform = process.platform, architecture = process.arch) {
  try {
    const manifest = createRequire(join(folder, "package.json")).resolve(
      `node-${platform}-${architecture}/package.json`,
    );
    const program = join(dirname(manifest), "bin", "node");
    return existsSync(program) ? program : undefined;
  } catch {
    return undefined;
  }
}

/** The packaged Node, or the running one when it is new enough; undefined when neither serves. */
export function projectNode(folder = root) {
  const running = isAtLeast(process.versions.node, oldestNode) ? process.execPath : undefined;
  return packagedNode(folder) ?? running;
}

/** The folders to put first on PATH so that `node` and the project's tools are the project's own. */
export function toolFolders(folder = root) {
  const node = projectNode(folder);
  return [...(node === undefined ? [] : [dirname(node)]), join(folder, "node_modules", ".bin")];
}
