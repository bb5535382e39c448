import { join } from "node:path";

import { readRecord } from "../internal/files";
import { ExitCode, ShadownetError, didYouMean } from "../internal/problems";
import type { FidelityItem } from "../network";
import type { Topology } from "../topology";
import { networkFolder } from "./kernel/names";
import { listNetworks } from "./kernel/network";

/** What a built shadow tells those who run experiments on it; the stack's Network resource writes it. */
export interface ShadowRecord {
  /** The topology as built, after scaling. */
  topology: Topology;
  fidelity: FidelityItem[];
  /** Name of the production network whose traffic is mirrored. Defaults to none. */
  production?: string;
}

/** File of the record in a network's folder. */
export function shadowRecordFile(network: string): string {
  return join(networkFolder(network), "shadow.json");
}

/** Reads a shadow's record; throws when there is no such shadow, or when the name is a production's. */
export async function readShadowRecord(network: string): Promise<ShadowRecord> {
  const networks = await listNetworks();
  const found = networks.find((candidate) => candidate.network === network);
  const shadows = networks.filter(({ role }) => role === "shadow").map((shadow) => shadow.network);
  if (found?.role === "production") {
    const message = `"${network}" is a production; only shadows are ever broken`;
    throw new ShadownetError("production-is-no-target", message, ExitCode.BadInput);
  }
  const record = await readRecord<ShadowRecord>(shadowRecordFile(network));
  if (found !== undefined && record === undefined) {
    const message = `shadow "${network}" is half-built: ${shadowRecordFile(network)} is missing or spoilt`;
    throw new ShadownetError("half-built", `${message}; \`shadownet up\` builds the rest`, ExitCode.BadInput);
  }
  if (record === undefined) {
    const known =
      shadows.length === 0 ? "there is none; make one with `shadownet up`" : `there are ${shadows.join(", ")}`;
    const message = `no shadow "${network}"; ${known}${didYouMean(network, shadows)}`;
    throw new ShadownetError("no-such-shadow", message, ExitCode.BadInput);
  }
  return record;
}
