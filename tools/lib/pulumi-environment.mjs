// The environment in which the Pulumi engine runs without an account: state, home and passphrase in the project's folder.
import { randomBytes } from "node:crypto";
import { chmodSync, closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { join } from "node:path";

import { projectNode, toolFolders } from "./node.mjs";
import { pathWith, root, stateFolder, withSystemFolders } from "./paths.mjs";

const passphraseBytes = 32;

/** Makes the passphrase file once, readable by its owner alone, and returns its path. */
export function ensurePassphrase(folder) {
  const file = join(folder, "passphrase");
  try {
    const descriptor = openSync(file, "wx", 0o600);
    writeSync(descriptor, randomBytes(passphraseBytes).toString("base64url"));
    closeSync(descriptor);
  } catch (error) {
    if (error.code !== "EEXIST") throw error;
    chmodSync(file, 0o600);
  }
  return file;
}

/**
 * The environment for the engine in `engineFolder`. What the user has set wins: with an own back end the user's Pulumi
 * home is left alone too, because it holds the login.
 * @param {string} engineFolder the folder that holds `pulumi`
 */
export function pulumiEnvironment(engineFolder, { environment = process.env, folder = stateFolder } = {}) {
  const result = {
    PULUMI_SKIP_UPDATE_CHECK: "true",
    PULUMI_DISABLE_AUTOMATIC_PLUGIN_ACQUISITION: "true",
    PULUMI_DISABLE_REGISTRY_RESOLVE: "true",
    SHADOWNET_ROOT: root,
    ...environment,
    PATH: withSystemFolders(pathWith([engineFolder, ...toolFolders()], environment)),
  };
  const node = projectNode();
  if (node !== undefined) result.SHADOWNET_NODE ??= node;
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  if (!environment.PULUMI_BACKEND_URL) {
    const backend = join(folder, "pulumi");
    mkdirSync(backend, { recursive: true });
    result.PULUMI_BACKEND_URL = `file://${backend}`;
    result.PULUMI_HOME = environment.PULUMI_HOME || join(folder, "pulumi-home");
  }
  const hasPassphrase = environment.PULUMI_CONFIG_PASSPHRASE !== undefined || environment.PULUMI_CONFIG_PASSPHRASE_FILE;
  if (!hasPassphrase) result.PULUMI_CONFIG_PASSPHRASE_FILE = ensurePassphrase(folder);
  return result;
}
