import * as pulumi from "@pulumi/pulumi";

import type { Experiment } from "../experiment";
import type { Problem } from "../internal/problems";
import type { MirrorSettings } from "../mirror";
import type { MonitorSettings } from "../monitor";
import { validateMonitor } from "../validation/monitor";
import type { BoundaryOverride, FidelityItem, ScaleRule, StateRule } from "../network";
import type { Topology } from "../topology";
import { LabFaultExperiment, experimentProblems } from "./experiment";
import { LabTrafficMirror, productionOf, settingsProblems } from "./mirror";
import { LabMonitor } from "./monitor";
import { LabShadowNetwork, defaultNetworkName, networkProblems } from "./network";
import { rejectProblems, under } from "../refusal";
import { shadowTopology } from "./shadowTopology";

/** Arguments of {@link LabShadowEnvironment}. */
export interface LabShadowEnvironmentArgs {
  /** Production as data, for example from `readTopology("topology.json")`. */
  topology: Topology;
  /** Name of the network on this host. Defaults to the component's name and the stack's. */
  networkName?: string;
  /** Name of the lab network that is production. Defaults to where the topology was captured, else `production`. */
  production?: string;
  /** Folder that relative data folders of the topology are relative to. Defaults to the working folder. */
  dataRoot?: string;
  /** Machines with another number or size than in production. Defaults to none. */
  scale?: ScaleRule[];
  /** Machines that start with another state than production's newest. Defaults to none. */
  state?: StateRule[];
  /** Boundaries with another replacement than the topology says. Defaults to none. */
  boundaries?: BoundaryOverride[];
  /** Which share of live traffic is copied. Defaults to no mirror at all. */
  mirror?: MirrorSettings;
  /** Experiments by name. Defaults to none. */
  experiments?: Record<string, Experiment>;
  /** What is watched and who is told. Defaults to no monitor. */
  monitor?: MonitorSettings;
}

/**
 * A shadow with everything: the network, then its mirror with the gateway, then experiments and the monitor. The mirror
 * is laid when the whole network stands, and replays nothing until a run has proven that there is no way out.
 *
 * *Safety:* production is read and mirrored, nothing else; *cost:* as the parts say.
 */
export class LabShadowEnvironment extends pulumi.ComponentResource {
  /** Name of the network on this host. */
  readonly networkId: pulumi.Output<string>;
  /** Ids of the subnets. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Ids of the machines. */
  readonly machineIds: pulumi.Output<string[]>;
  /** Names of the links. */
  readonly linkIds: pulumi.Output<string[]>;
  /** Address of the gateway, which is the shadow's default route. */
  readonly gatewayAddress: pulumi.Output<string>;
  /** Every way in which the shadow differs from production. */
  readonly fidelity: pulumi.Output<FidelityItem[]>;
  /** Ids of the mirror's sessions; none without a mirror. */
  readonly sessionIds: pulumi.Output<string[]>;
  /** Where the gateway's control interface listens; empty without a mirror. */
  readonly gatewayUrl: pulumi.Output<string>;
  /** Ids of the experiments. */
  readonly experimentIds: pulumi.Output<string[]>;

  constructor(name: string, args: LabShadowEnvironmentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:LabShadowEnvironment", name, args, opts);
    rejectProblems("LabShadowEnvironment", environmentProblems(args));
    const child = { parent: this };
    const { mirror: traffic, experiments, monitor: watched, ...rest } = args;
    const built = shadowTopology(args.topology, args).topology;
    const production = traffic === undefined ? {} : { production: productionOf(args) };
    const networkName = args.networkName ?? defaultNetworkName(name);
    const network = new LabShadowNetwork(`${name}-network`, { ...rest, ...production, networkName }, child);
    const common = { network: network.networkId, topology: built };
    const after = { ...child, dependsOn: [network] };
    const mirror =
      traffic === undefined
        ? undefined
        : new LabTrafficMirror(
            `${name}-mirror`,
            { ...traffic, ...production, ...common, topology: mirrored(args) },
            after,
          );
    const defined = Object.entries(experiments ?? {}).map(
      ([key, experiment]) =>
        new LabFaultExperiment(`${name}-experiment-${key}`, { ...experiment, ...common, experimentName: key }, child),
    );
    if (watched !== undefined) new LabMonitor(`${name}-monitor`, { ...watched, ...common }, child);
    this.networkId = network.networkId;
    this.subnetIds = network.subnetIds;
    this.machineIds = network.machineIds;
    this.linkIds = network.linkIds;
    this.gatewayAddress = network.gatewayAddress;
    this.fidelity = network.fidelity;
    this.sessionIds = mirror?.sessionIds ?? pulumi.output([]);
    this.gatewayUrl = mirror?.gatewayUrl ?? pulumi.output("");
    this.experimentIds = pulumi.all(defined.map(({ experimentId }) => experimentId));
    this.registerOutputs({
      networkId: this.networkId,
      subnetIds: this.subnetIds,
      machineIds: this.machineIds,
      linkIds: this.linkIds,
      gatewayAddress: this.gatewayAddress,
      fidelity: this.fidelity,
      sessionIds: this.sessionIds,
      gatewayUrl: this.gatewayUrl,
      experimentIds: this.experimentIds,
    });
  }
}

/** Production's topology, because its machines are mirrored, with the boundaries as they are replaced in the shadow. */
function mirrored({ topology, boundaries = [] }: LabShadowEnvironmentArgs): Topology {
  if (topology.boundaries === undefined) return topology;
  const replaced = topology.boundaries.map((boundary) => ({
    ...boundary,
    ...boundaries.find(({ name }) => name === boundary.name),
  }));
  return { ...topology, boundaries: replaced };
}

/** Everything that is wrong with the arguments of a {@link LabShadowEnvironment}, all parts at once. */
export function environmentProblems(args: LabShadowEnvironmentArgs): Problem[] {
  const { mirror, experiments = {}, monitor, ...rest } = args;
  const ofNetwork = networkProblems(rest);
  if (ofNetwork.length > 0) return ofNetwork;
  const { topology } = shadowTopology(args.topology, args);
  const traffic = {
    ...mirror,
    topology: args.topology,
    ...(args.production === undefined ? {} : { production: args.production }),
  };
  return [
    ...(mirror === undefined ? [] : under("mirror", settingsProblems(traffic))),
    ...Object.entries(experiments).flatMap(([name, experiment]) =>
      under(`experiments.${name}`, experimentProblems(name, experiment, topology)),
    ),
    ...(monitor === undefined ? [] : under("monitor", validateMonitor(monitor, topology))),
  ];
}
