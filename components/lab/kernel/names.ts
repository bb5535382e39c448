import { createHash } from "node:crypto";
import { join } from "node:path";

/** Folder that holds everything the lab knows of its networks; `SHADOWNET_STATE` moves it. */
export function stateFolder(): string {
  return process.env.SHADOWNET_STATE ?? "/var/lib/shadownet";
}

/** Folder of one lab network. */
export function networkFolder(network: string): string {
  return join(stateFolder(), "lab", network);
}

/** Folder of one machine: `data/`, `start.sh`, `init.pid`, `workload.log`. */
export function machineFolder(network: string, machine: string): string {
  return join(networkFolder(network), "machines", machine);
}

/** Prefix of every network namespace of the lab. */
export const namespacePrefix = "sn.";

/** Network namespace of a machine. */
export function machineNamespace(network: string, machine: string): string {
  return `${namespacePrefix}${network}.${machine}`;
}

/** Parts of a network that are not machines. */
export type Appliance = "router" | "switch" | "gateway";

/** Network namespace of a part that is not a machine; the at sign keeps it apart from machines. */
export function applianceNamespace(network: string, appliance: Appliance): string {
  return `${namespacePrefix}${network}.@${appliance}`;
}

/** Interface name of at most 15 characters for something with a longer name, which goes into the interface's alias. */
export function deviceName(prefix: string, ...names: string[]): string {
  return prefix + createHash("sha256").update(names.join("/")).digest("hex").slice(0, 11);
}

/** Port of the switch to which a machine's interface is connected. */
export function machinePort(machine: string, networkInterface: string): string {
  return deviceName("m", machine, networkInterface);
}

/** Port of the switch to which the router's interface in a subnet is connected. */
export function routerPort(subnet: string): string {
  return deviceName("r", subnet);
}

/** The router's own interface in a subnet. */
export function routerDevice(subnet: string): string {
  return deviceName("s", subnet);
}

/** Bridge of a subnet, in the switch's namespace. */
export function bridgeName(subnet: string): string {
  return deviceName("b", subnet);
}

/** VXLAN network identifier of the mirror of a shadow, derived from its name. */
export function mirrorVni(network: string): number {
  return (createHash("sha256").update(`vni/${network}`).digest().readUInt32BE() % 0xfffffe) + 1;
}

/** The appliances' own range, outside every captured one. */
export const applianceAddresses = {
  /** Link between a shadow's router and its gateway. */
  routerToGateway: { router: "100.64.0.1", gateway: "100.64.0.2", length: 30 },
  routerToGateway6: { router: "fd64:0:0:1::1", gateway: "fd64:0:0:1::2", length: 126 },
  /** One-way cable from production's router to the shadow's gateway. */
  mirror: { production: "100.64.1.1", gateway: "100.64.1.2", length: 30 },
} as const;
