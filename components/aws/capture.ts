import { refuse } from "../internal/problems";
import type { Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import { type AwsAccess, makeClients } from "./capture/clients";
import { mapTopology } from "./capture/mapping";
import { readAws } from "./capture/read";
import { makeReader } from "./capture/reader";
import { accessProblems, requireRegion } from "./capture/settings";

export { awsCapturePolicy } from "./capture/policy";
export { checkAwsPermissions } from "./capture/permissions";

/** Settings of {@link captureAws}. */
export interface AwsCaptureSettings extends AwsAccess {
  /** Put the instances' tags into the topology. Defaults to false. */
  includeTags?: boolean;
  /** Takes a line for each step. Defaults to none. */
  onProgress?: (line: string) => void;
  /** Stops the capture. Defaults to none. */
  signal?: AbortSignal;
  /** Hears of each call by its action in policies, for example `ec2:DescribeVpcs`. Defaults to none. */
  onCall?: (action: string) => void;
}

/**
 * Reads a VPC into a topology; nothing in AWS is changed. What may not be read or has no word in a topology is said in
 * `unreadable`. Throws when there is no such VPC, when AWS cannot be reached, or when it may not be read at all.
 */
export async function captureAws(vpcId: string, settings: AwsCaptureSettings = {}): Promise<Topology> {
  const { includeTags = false, onProgress = () => undefined, onCall = () => undefined, signal } = settings;
  refuse("capture aws", accessProblems(vpcId, settings));
  let calls = 0;
  const clients = makeClients(settings, (action) => {
    calls++;
    onCall(action);
    if (calls % 25 === 0) onProgress(`${calls} calls made`);
  });
  try {
    await requireRegion(clients);
    const reading = await readAws(clients, makeReader(signal), { vpcId, includeTags, onProgress });
    const topology = mapTopology(reading);
    refuse(`the captured ${vpcId}`, validateTopology(topology));
    return topology;
  } finally {
    clients.close();
  }
}
