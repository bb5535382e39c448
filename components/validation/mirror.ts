import { z } from "zod";

import { applicationProblem } from "../internal/applications";
import { addressBits, cidrsOverlap, parseAddress, parseCidr } from "../internal/cidr";
import type { Problem } from "../internal/problems";
import { serverNameProblem } from "../internal/serverNames";
import { type MirrorSettings, SampleBy, type TrafficSelector } from "../mirror";
import { portRangeProblem } from "./portRanges";
import { shapeProblems } from "./shape";
import { IpProtocol, type Topology } from "../topology";

const selectorShape: z.ZodType<TrafficSelector> = z.strictObject({
  sourceCidr: z.string().optional(),
  destinationCidr: z.string().optional(),
  protocol: z.enum(IpProtocol).optional(),
  sourcePorts: z.array(z.string()).optional(),
  destinationPorts: z.array(z.string()).optional(),
  application: z.string().min(1).optional(),
  serverName: z.string().optional(),
  payloadHex: z.string().optional(),
  payloadOffset: z.int().min(0).max(1024).optional(),
});

const mirrorShape: z.ZodType<MirrorSettings> = z.strictObject({
  percent: z.number().min(0).max(100).optional(),
  seed: z.int().min(0).max(0xffffffff).optional(),
  sampleBy: z.enum(SampleBy).optional(),
  include: z.array(selectorShape).optional(),
  exclude: z.array(selectorShape).optional(),
  maxMegabitsPerSecond: z.number().positive().optional(),
});

/** Everything that is wrong with a mirror towards a shadow with this topology; a selector that cannot match is refused. */
export function validateMirror(settings: unknown, topology: Topology): Problem[] {
  const problems = shapeProblems(mirrorShape, settings);
  if (problems.length > 0) return problems;
  const { include, exclude = [] } = settings as MirrorSettings;
  const edge = (topology.services ?? []).some((service) => service.edge);
  const nothing = include === undefined && !edge;
  return [
    ...(nothing ? [{ path: "include", reason: "no service of the topology has `edge: true`; say what to copy" }] : []),
    ...(include?.length === 0
      ? [{ path: "include", reason: "an empty list copies nothing; leave it out or fill it" }]
      : []),
    ...(include ?? []).flatMap((selector, s) => selectorProblems(`include[${s}]`, selector, topology)),
    ...exclude.flatMap((selector, s) => selectorProblems(`exclude[${s}]`, selector, topology)),
  ];
}

function selectorProblems(path: string, selector: TrafficSelector, topology: Topology): Problem[] {
  const problems: Problem[] = [];
  for (const field of ["sourceCidr", "destinationCidr"] as const) {
    const cidr = selector[field];
    if (cidr === undefined || parseCidr(cidr) !== undefined) continue;
    problems.push({ path: `${path}.${field}`, reason: `"${cidr}" is not an address range such as 10.0.1.0/24` });
  }
  for (const field of ["sourcePorts", "destinationPorts"] as const) {
    const ports = selector[field];
    if (ports?.length === 0)
      problems.push({ path: `${path}.${field}`, reason: "an empty list matches nothing; leave it out" });
    problems.push(...(ports ?? []).flatMap((port, p) => portRangeProblem(`${path}.${field}[${p}]`, port)));
  }
  if (selector.protocol === "icmp") {
    problems.push({ path: `${path}.protocol`, reason: "icmp is not replayed; allowed: tcp, udp, any" });
  }
  const named = serverNameProblem(selector);
  for (const found of [named, applicationProblem(selector)]) {
    if (found !== undefined) problems.push({ path: `${path}.${found.field}`, reason: found.reason });
  }
  problems.push(...payloadProblems(path, selector));
  return problems.length > 0 ? problems : unmatchable(path, selector, topology);
}

function payloadProblems(path: string, { payloadHex, payloadOffset }: TrafficSelector): Problem[] {
  const problems: Problem[] = [];
  if (payloadHex !== undefined && !/^([0-9a-f]{2}){1,64}$/i.test(payloadHex)) {
    problems.push({
      path: `${path}.payloadHex`,
      reason: `"${payloadHex}" is not 1 to 64 bytes as hexadecimal such as 47455420`,
    });
  }
  if (payloadOffset !== undefined && payloadHex === undefined) {
    problems.push({ path: `${path}.payloadOffset`, reason: "means nothing without payloadHex" });
  }
  return problems;
}

function unmatchable(path: string, selector: TrafficSelector, topology: Topology): Problem[] {
  const { sourceCidr, destinationCidr } = selector;
  const families = [sourceCidr, destinationCidr].flatMap((cidr) =>
    cidr === undefined ? [] : [parseCidr(cidr)!.family],
  );
  if (new Set(families).size > 1) {
    return [{ path, reason: "sourceCidr and destinationCidr are of different families; no packet has both" }];
  }
  if (destinationCidr === undefined) return [];
  const addresses = serverAddresses(topology);
  if (addresses.some((address) => cidrsOverlap(destinationCidr, hostRange(address)))) return [];
  return [
    { path: `${path}.destinationCidr`, reason: `no machine of the topology has an address in ${destinationCidr}` },
  ];
}

function serverAddresses({ machines, loadBalancers = [] }: Topology): string[] {
  const ofMachines = machines.flatMap(({ interfaces }) => interfaces.flatMap(({ addresses }) => addresses));
  return [...ofMachines, ...loadBalancers.flatMap(({ addresses }) => addresses)];
}

function hostRange(address: string): string {
  return `${address}/${addressBits(parseAddress(address)!.family)}`;
}
