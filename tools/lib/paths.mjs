// Where things lie: in this checkout and in the user's cache folder.
import { existsSync, statSync } from "node:fs";
import { homedir } from "node:os";
import { delimiter, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The root of this package. */
export const root = dirname(dirname(dirname(fileURLToPath(import.meta.url))));

/** The project's own folder for state that is not source: Pulumi's back end, the passphrase. */
export const stateFolder = join(root, ".shadownet");

/** The user's cache folder of shadownet, shared by every checkout. */
export function cacheFolder(environment = process.env) {
  return join(environment.XDG_CACHE_HOME || join(homedir(), ".cache"), "shadownet");
}

const isFile = (path) => existsSync(path) && statSync(path).isFile();

/** The full path of a program on PATH or in the given further folders; undefined when there is none. */
export function which(program, environment = process.env, further = []) {
  const folders = [...(environment.PATH ?? "").split(delimiter), ...further].filter(Boolean);
  return folders.map((folder) => join(folder, program)).find(isFile);
}

/** PATH with folders put in front, each once. */
export function pathWith(folders, environment = process.env) {
  const rest = (environment.PATH ?? "").split(delimiter).filter((folder) => !folders.includes(folder));
  return [...folders, ...rest].join(delimiter);
}

/** Folders of system programs that a user's PATH may lack, as on Debian without a login shell. */
export const systemFolders = ["/usr/local/sbin", "/usr/sbin", "/sbin"];

/** PATH with the folders of system programs behind it. */
export function withSystemFolders(path) {
  return [path, ...systemFolders.filter((folder) => !path.split(delimiter).includes(folder))].join(delimiter);
}
