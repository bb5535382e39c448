import * as pulumi from "@pulumi/pulumi";

import type { Problem } from "../internal/problems";
import { type MirrorSettings, SampleBy, type TrafficSelector } from "../mirror";
import { validateMirror } from "../validation/mirror";
import { BoundaryReplacement, type Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import { mirrorVni, networkFolder } from "./kernel/names";
import type { LabMirrorSpec } from "./kernel/specs";
import { Gateway, Mirror } from "./provider/sdk";
import { rejectProblems, under } from "../refusal";

/** Arguments of {@link LabTrafficMirror}. */
export interface LabTrafficMirrorArgs extends MirrorSettings {
  /** Name of the shadow's network on this host: `networkId` of a LabShadowNetwork. */
  network: pulumi.Input<string>;
  /** Production as data, the same as the shadow's. */
  topology: Topology;
  /** Name of the lab network that is production. Defaults to where the topology was captured, else `production`. */
  production?: string;
  /** A shadow response that has not ended after this is a timeout. Defaults to 10. */
  responseTimeoutSeconds?: number;
}

/**
 * Copies the chosen share of production's traffic to a shadow, whole flows in both directions, and replays it there.
 * Changing the share or a selector is an update in place that drops no live packet.
 *
 * *Safety:* the cable from production to the shadow is one-way, and the gateway's intake stays closed until a run has
 * tried to leave the shadow and failed. *Cost:* about 0.6 µs per live packet that is looked at.
 */
export class LabTrafficMirror extends pulumi.ComponentResource {
  /** Ids of the mirror's sessions; the lab has one. */
  readonly sessionIds: pulumi.Output<string[]>;
  /** Where the gateway's control interface listens. */
  readonly gatewayUrl: pulumi.Output<string>;

  constructor(name: string, args: LabTrafficMirrorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:LabTrafficMirror", name, args, opts);
    rejectProblems("LabTrafficMirror", mirrorProblems(args));
    const network = pulumi.output(args.network);
    const chosen = { ...chosenTraffic(args), network, vni: network.apply(mirrorVni) };
    const outside = outsideOf(args.topology, args.responseTimeoutSeconds ?? 10);
    const gateway = new Gateway(`${name}-gateway`, { ...chosen, ...outside }, { parent: this });
    const session = new Mirror(
      `${name}-session`,
      { ...chosen, production: productionOf(args), services: edgeServices(args.topology) },
      { parent: this, dependsOn: [gateway] },
    );
    this.sessionIds = pulumi.all([session.id]);
    this.gatewayUrl = network.apply((own) => `unix://${networkFolder(own)}/gateway/gateway.sock`);
    this.registerOutputs({ sessionIds: this.sessionIds, gatewayUrl: this.gatewayUrl });
  }
}

/** Everything that is wrong with the arguments of a {@link LabTrafficMirror}. */
export function mirrorProblems(args: LabTrafficMirrorArgs): Problem[] {
  const ofTopology = under("topology", validateTopology(args.topology));
  return ofTopology.length > 0 ? ofTopology : settingsProblems(args);
}

/** What is wrong with the settings, where the topology is known to be right. */
export function settingsProblems(args: Omit<LabTrafficMirrorArgs, "network">): Problem[] {
  const { topology, responseTimeoutSeconds, production, ...rest } = args;
  const settings = Object.fromEntries(Object.entries(rest).filter(([key]) => key !== "network"));
  const problems = validateMirror(settings, topology);
  if (rest.maxMegabitsPerSecond !== undefined) {
    const reason = "the lab has no ceiling that keeps flows whole; lower `percent` instead";
    problems.push({ path: "maxMegabitsPerSecond", reason });
  }
  if (responseTimeoutSeconds !== undefined && !(responseTimeoutSeconds > 0)) {
    problems.push({ path: "responseTimeoutSeconds", reason: `${responseTimeoutSeconds} is not above 0` });
  }
  if (production !== undefined && !/^[a-z0-9][a-z0-9-]{0,39}$/.test(production)) {
    problems.push({ path: "production", reason: `"${production}" is not the name of a lab network` });
  }
  return problems;
}

/** Name of production's network: the given one, else where the topology was read from. */
export function productionOf({ production, topology }: Pick<LabTrafficMirrorArgs, "production" | "topology">): string {
  if (production !== undefined) return production;
  return topology.source?.backEnd === "lab" ? topology.source.id : "production";
}

function chosenTraffic(args: LabTrafficMirrorArgs): ChosenTraffic {
  return {
    percent: args.percent ?? 100,
    seed: args.seed ?? 1,
    sampleBy: args.sampleBy ?? SampleBy.Flow,
    include: args.include ?? [],
    exclude: args.exclude ?? [],
  };
}

interface ChosenTraffic {
  percent: number;
  seed: number;
  sampleBy: SampleBy;
  include: TrafficSelector[];
  exclude: TrafficSelector[];
}

function outsideOf(
  topology: Topology,
  responseTimeoutSeconds: number,
): { shadowCidrs: string[]; responseTimeoutSeconds: number; rejectCidrs?: string[] } {
  const inside = topology.networks.flatMap(({ subnets }) => subnets.filter(({ boundary }) => boundary === undefined));
  const shadowCidrs = inside.flatMap(({ cidr, ipv6Cidr }) => (ipv6Cidr === undefined ? [cidr] : [cidr, ipv6Cidr]));
  const rejectCidrs = (topology.boundaries ?? [])
    .filter(({ replacement }) => replacement === BoundaryReplacement.Reject)
    .flatMap(({ cidrs }) => cidrs);
  return { shadowCidrs, responseTimeoutSeconds, ...(rejectCidrs.length === 0 ? {} : { rejectCidrs }) };
}

/** Where clients knock: machines of edge services, and load balancers in front of them. */
function edgeServices(topology: Topology): LabMirrorSpec["services"] {
  const edge = (topology.services ?? []).filter((service) => service.edge);
  const addressesOf = (names: readonly string[]): string[] =>
    topology.machines
      .filter(({ name }) => names.includes(name))
      .flatMap(({ interfaces }) => interfaces.flatMap(({ addresses }) => addresses));
  const balancers = (topology.loadBalancers ?? [])
    .filter(({ machines }) => edge.some((service) => service.machines.some((machine) => machines.includes(machine))))
    .map(({ addresses, port }) => ({ addresses, port, protocol: "tcp" as const }));
  return [
    ...edge.map(({ machines, port, protocol }) => ({ addresses: addressesOf(machines), port, protocol })),
    ...balancers,
  ];
}
