import { existsSync } from "node:fs";
import { platform } from "node:os";
import { delimiter, join } from "node:path";

import { ExitCode, ShadownetError, markedMessage } from "../../internal/problems";
import { applianceNamespace, stateFolder } from "../kernel/names";
import { namespaceExists } from "../kernel/namespaces";
import { lockNetwork } from "./lock";

const tools = { ip: "iproute2", nft: "nftables", nsenter: "util-linux", sysctl: "procps" };

/** Refuses what cannot be built here, and takes the network for this process. */
export function prepareHost(network: string): void {
  requireHost();
  lockNetwork(network);
}

/** Throws when this host has no lab: not Linux, no root, or a tool is missing; everything at once. */
export function requireHost(): void {
  if (platform() !== "linux") {
    const message = `the lab needs Linux, this is ${platform()}; the cloud back ends run anywhere`;
    throw new ShadownetError("not-linux", message, ExitCode.NotPossibleHere);
  }
  if (process.getuid?.() !== 0) {
    const message =
      "the lab makes network namespaces, which needs root; run `sudo -E pulumi up`, or use a virtual machine";
    throw new ShadownetError("not-root", message, ExitCode.NotPossibleHere);
  }
  const folders = [...(process.env.PATH ?? "").split(delimiter), "/usr/sbin", "/sbin"];
  const missing = Object.entries(tools).filter(([tool]) => !folders.some((folder) => existsSync(join(folder, tool))));
  if (missing.length === 0) return;
  const names = missing.map(([tool]) => tool).join(", ");
  const packages = [...new Set(missing.map(([, name]) => name))].join(" ");
  const message = `${names} not found; install with \`apt-get install ${packages}\``;
  throw new ShadownetError("missing-tool", message, ExitCode.NotPossibleHere);
}

/** Throws when the network that a part belongs to is not on this host any more. */
export async function requireNetwork(network: string): Promise<void> {
  if (await namespaceExists(applianceNamespace(network, "router"))) return;
  const message = `the lab network "${network}" is not on this host any more; run \`pulumi up --refresh\` to make it again`;
  throw new ShadownetError("network-gone", message);
}

/** The message for the user of an error from the kernel library or the system. */
export function explain(error: unknown): string {
  const { code } = error as NodeJS.ErrnoException;
  const message = error instanceof Error ? error.message : String(error);
  if (code === "ENOSPC" || message.includes("No space left on device")) {
    return `the disk that holds ${stateFolder()} is full (${message}); free some space, and \`shadownet up\` goes on`;
  }
  if (code === "EACCES" || code === "EROFS") {
    return `${stateFolder()} cannot be written; SHADOWNET_STATE names another folder (${message})`;
  }
  return error instanceof ShadownetError ? markedMessage(error) : message;
}
