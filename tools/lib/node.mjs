// The Node that everything after set-up runs with: an npm package of this project, so the system's does not matter.
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";

import { root } from "./paths.mjs";
import { isAtLeast } from "./versions.mjs";

const oldestNode = "22.18.0";

/** Where the packaged Node 24 lies, or would lie, for this machine. */
export function packagedNode(folder = root, platform = process.platform, architecture = process.arch) {
  return join(folder, "node_modules", `node-${platform}-${architecture}`, "bin", "node");
}

/** The packaged Node, or the running one when it is new enough; undefined when neither serves. */
export function projectNode(folder = root) {
  const packaged = packagedNode(folder);
  if (existsSync(packaged)) return packaged;
  return isAtLeast(process.versions.node, oldestNode) ? process.execPath : undefined;
}

/** The folders to put first on PATH so that `node` and the project's tools are the project's own. */
export function toolFolders(folder = root) {
  const node = projectNode(folder);
  return [...(node === undefined ? [] : [dirname(node)]), join(folder, "node_modules", ".bin")];
}
