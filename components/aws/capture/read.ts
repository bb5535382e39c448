import type { AwsClients } from "./clients";
import type { Reader } from "./reader";
import type { AwsReading, ReadSettings } from "./reading";
import { readMachines } from "./readMachines";
import { readNetwork, readPrefixLists, readVpc } from "./readNetwork";
import { readBalancers, readDatabases, readPrivateZones } from "./readServices";

/** Reads everything that a topology of a VPC is made of. */
export async function readAws(clients: AwsClients, reader: Reader, settings: ReadSettings): Promise<AwsReading> {
  const { vpcId, includeTags, onProgress } = settings;
  const region = await clients.region();
  const vpc = await readVpc(clients, vpcId, reader.signal);
  onProgress(`VPC ${vpcId} in ${region}; reading its network, machines, load balancers, databases and names`);
  const [network, machines, balancers, databases, privateZones] = await Promise.all([
    readNetwork(clients, reader, vpc),
    readMachines(clients, reader, settings),
    readBalancers(clients, reader, vpcId),
    readDatabases(clients, reader, vpcId),
    readPrivateZones(clients, reader, vpcId, region),
  ]);
  const prefixLists = await readPrefixLists(clients, reader, network);
  const { unreadable } = reader;
  const capturedAt = new Date().toISOString();
  const rest = { ...network, ...machines, ...balancers, ...databases, privateZones, prefixLists };
  return { account: vpc.OwnerId, region, capturedAt, ...rest, includeTags, unreadable };
}
