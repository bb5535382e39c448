import type { IpPermission, NetworkAclEntry, SecurityGroup as Ec2SecurityGroup } from "@aws-sdk/client-ec2";

import { canonicalCidr, parseCidr } from "../../internal/cidr";
import type { AclRule, IpProtocol, SecurityGroup, SecurityRule, TrafficDirection } from "../../topology";

/** Words of the topology for protocol names and numbers that AWS uses. */
const protocols: Record<string, IpProtocol> = {
  "-1": "any",
  tcp: "tcp",
  "6": "tcp",
  udp: "udp",
  "17": "udp",
  icmp: "icmp",
  "1": "icmp",
  icmpv6: "icmp",
  "58": "icmp",
};

/** A range in its canonical text; undefined when it is none. */
export function cidrText(cidr: string | undefined): string | undefined {
  return cidr === undefined || parseCidr(cidr) === undefined ? undefined : canonicalCidr(cidr);
}

/** A list without what is undefined. */
export function present<T>(list: readonly (T | undefined)[]): T[] {
  return list.filter((item): item is T => item !== undefined);
}

/** `80`, `8000-8010`, or undefined for all ports. */
export function portsText(from: number | undefined, to: number | undefined): string | undefined {
  if (from === undefined || from < 0 || (from === 0 && to === 65535)) return undefined;
  return to === undefined || to === from ? `${from}` : `${from}-${to}`;
}

/** What rules refer to by id. */
export interface RulePeers {
  /** Names of the captured security groups by id. */
  groups: ReadonlyMap<string, string>;
  /** Ranges of prefix lists by id. */
  prefixLists: ReadonlyMap<string, string[]>;
}

/** A security group in the topology's words; what has none is said in `dropped`. */
export function mapGroup(group: Ec2SecurityGroup, name: string, peers: RulePeers): SecurityGroup {
  const dropped: string[] = [];
  const directions: [TrafficDirection, IpPermission[]][] = [
    ["ingress", group.IpPermissions ?? []],
    ["egress", group.IpPermissionsEgress ?? []],
  ];
  const rules = directions.flatMap(([direction, permissions]) =>
    permissions.flatMap((permission) => mapPermission(direction, permission, peers, dropped)),
  );
  const description = group.Description || undefined;
  return {
    name,
    rules,
    aws: {
      id: group.GroupId!,
      ...(description === undefined ? {} : { description }),
      ...(dropped.length === 0 ? {} : { dropped }),
    },
  };
}

function mapPermission(
  direction: TrafficDirection,
  permission: IpPermission,
  peers: RulePeers,
  dropped: string[],
): SecurityRule[] {
  const { IpProtocol: given = "-1", FromPort, ToPort } = permission;
  const said = `${direction} ${[given, portsText(FromPort, ToPort)].filter(Boolean).join(" ")}`;
  const protocol = protocols[given];
  if (protocol === undefined) {
    dropped.push(`${said} has a protocol that the topology has no word for`);
    return [];
  }
  const hasPorts = protocol === "tcp" || protocol === "udp";
  if (protocol === "icmp" && FromPort !== undefined && FromPort >= 0) {
    dropped.push(`${direction} ${given} is limited to type ${FromPort} in AWS and allows all types here`);
  }
  const ports = hasPorts ? portsText(FromPort, ToPort) : undefined;
  const base = { direction, protocol, ...(ports === undefined ? {} : { ports }) };
  const cidrs = rangesOf(permission, said, peers, dropped);
  const securityGroups = groupsOf(permission, said, peers, dropped);
  return [
    ...(cidrs.length === 0 ? [] : [{ ...base, cidrs }]),
    ...(securityGroups.length === 0 ? [] : [{ ...base, securityGroups }]),
  ];
}

function rangesOf(permission: IpPermission, said: string, { prefixLists }: RulePeers, dropped: string[]): string[] {
  const { IpRanges = [], Ipv6Ranges = [], PrefixListIds = [] } = permission;
  const ofLists = PrefixListIds.flatMap(({ PrefixListId = "" }) => {
    const known = prefixLists.get(PrefixListId);
    if (known === undefined) dropped.push(`${said} of prefix list ${PrefixListId}, which could not be read`);
    return known ?? [];
  });
  const ranges = [...IpRanges.map(({ CidrIp }) => CidrIp), ...Ipv6Ranges.map(({ CidrIpv6 }) => CidrIpv6), ...ofLists];
  return [...new Set(present(ranges.map(cidrText)))];
}

function groupsOf(permission: IpPermission, said: string, { groups }: RulePeers, dropped: string[]): string[] {
  const pairs = permission.UserIdGroupPairs ?? [];
  const names = pairs.map(({ GroupId = "", UserId, VpcPeeringConnectionId }) => {
    const known = groups.get(GroupId);
    if (known !== undefined) return known;
    const account = UserId === undefined ? "" : ` of account ${UserId}`;
    const way = VpcPeeringConnectionId === undefined ? "outside the VPC" : `behind peering ${VpcPeeringConnectionId}`;
    dropped.push(`${said} with security group ${GroupId}${account} lies ${way}`);
    return undefined;
  });
  return [...new Set(present(names))];
}

/** What a group lets in from groups behind peerings, with the ranges of those peerings in their place. */
export function rulesOfPeers(group: Ec2SecurityGroup, peerings: ReadonlyMap<string, string[]>): SecurityRule[] {
  return (group.IpPermissions ?? []).flatMap(({ IpProtocol = "-1", FromPort, ToPort, UserIdGroupPairs = [] }) => {
    const ways = UserIdGroupPairs.map(({ VpcPeeringConnectionId = "" }) => peerings.get(VpcPeeringConnectionId) ?? []);
    const cidrs = [...new Set(ways.flat())];
    const protocol = protocols[IpProtocol];
    if (cidrs.length === 0 || protocol === undefined) return [];
    const ports = protocol === "tcp" || protocol === "udp" ? portsText(FromPort, ToPort) : undefined;
    return [{ direction: "ingress" as const, protocol, ...(ports === undefined ? {} : { ports }), cidrs }];
  });
}

/** Numbers from here on are AWS's own last rule, which denies. */
const lastAclNumber = 32766;

/** The entries of a network ACL in the topology's words, in their order. */
export function mapAclEntries(entries: readonly NetworkAclEntry[]): AclRule[] {
  const rules = entries.filter(({ RuleNumber = 0 }) => RuleNumber >= 1 && RuleNumber <= lastAclNumber).map(mapAclEntry);
  return rules.sort((a, b) => a.direction.localeCompare(b.direction) || a.number - b.number);
}

function mapAclEntry(entry: NetworkAclEntry): AclRule {
  const { RuleNumber, Egress, RuleAction, Protocol = "-1", PortRange, IcmpTypeCode } = entry;
  const protocol = protocols[Protocol];
  const hasPorts = protocol === "tcp" || protocol === "udp";
  const ports = hasPorts ? portsText(PortRange?.From, PortRange?.To) : undefined;
  const cidr = cidrText(entry.CidrBlock ?? entry.Ipv6CidrBlock);
  const { Type, Code } = IcmpTypeCode ?? {};
  const aws = {
    ...(protocol === undefined ? { protocolNumber: Number(Protocol) } : {}),
    ...(protocol === "icmp" && Type !== undefined ? { icmpType: Type } : {}),
    ...(protocol === "icmp" && Code !== undefined ? { icmpCode: Code } : {}),
  };
  return {
    number: RuleNumber!,
    direction: Egress === true ? "egress" : "ingress",
    action: RuleAction === "allow" ? "allow" : "deny",
    protocol: protocol ?? "any",
    ...(ports === undefined ? {} : { ports }),
    ...(cidr === undefined ? {} : { cidr }),
    ...(Object.keys(aws).length === 0 ? {} : { aws }),
  };
}
