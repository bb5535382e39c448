import { requireLabHost } from "../../internal/labHost";
import { ShadownetError, markedMessage } from "../../internal/problems";
import { applianceNamespace, stateFolder } from "../kernel/names";
import { namespaceExists } from "../kernel/namespaces";
import { lockNetwork } from "./lock";

/** Refuses what cannot be built here, and takes the network for this process. */
export function prepareHost(network: string): void {
  requireLabHost();
  lockNetwork(network);
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
