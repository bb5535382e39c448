import { createHash } from "node:crypto";

import * as pulumi from "@pulumi/pulumi";

import { type Problem, ProblemsError } from "../internal/problems";
import type { BoundaryOverride, FidelityItem, ScaleRule, StateRule } from "../network";
import type { Topology } from "../topology";
import { applianceRangeProblems } from "../validation/topologyReferences";
import { validateTopology } from "../topologySchema";
import { applianceAddresses } from "./kernel/names";
import { type LabPlan, planNetwork } from "./plan";
import { Machine, Network, Subnet } from "./provider/sdk";
import { rejectProblems, under } from "../refusal";
import type { ShadowTopology } from "../shadowScaling";
import { shadowProblems, shadowTopology } from "./shadowTopology";

/** Arguments of {@link LabShadowNetwork}. */
export interface LabShadowNetworkArgs {
  /** Production as data, for example from `readTopology("topology.json")`. */
  topology: Topology;
  /**
   * Name of the network on this host: at most 40 lower-case letters, digits and hyphens. Defaults to the component's
   * name and the stack's, so that a second stack stands beside the first.
   */
  networkName?: string;
  /** Name of the lab network that is production; kept for the experiment runner. Defaults to none. */
  production?: string;
  /** Folder that relative data folders of the topology are relative to. Defaults to the working folder. */
  dataRoot?: string;
  /** Machines with another number or size than in production. Defaults to none. */
  scale?: ScaleRule[];
  /** Machines that start with another state than production's newest. Latest and snapshot are the same in the lab. */
  state?: StateRule[];
  /** Boundaries with another replacement than the topology says. The lab has sink and reject. Defaults to none. */
  boundaries?: BoundaryOverride[];
}

/**
 * A shadow of a network, made of Linux namespaces on this host: the same subnets, addresses, filters and programs.
 *
 * *Safety:* nothing in it can reach production or the internet; that is no option. *Cost:* none but this host's memory.
 */
export class LabShadowNetwork extends pulumi.ComponentResource {
  /** Name of the network on this host. */
  readonly networkId: pulumi.Output<string>;
  /** Ids of the subnets, in the topology's order. */
  readonly subnetIds: pulumi.Output<string[]>;
  /** Ids of the machines, in the topology's order; copies by scaling come last. */
  readonly machineIds: pulumi.Output<string[]>;
  /** Names of the links: `machine/interface`, and subnets for their attachment to the router. */
  readonly linkIds: pulumi.Output<string[]>;
  /** Address of the gateway, which is the shadow's default route. */
  readonly gatewayAddress: pulumi.Output<string>;
  /** Every way in which the shadow differs from production. */
  readonly fidelity: pulumi.Output<FidelityItem[]>;

  constructor(name: string, args: LabShadowNetworkArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:LabShadowNetwork", name, args, opts);
    rejectProblems("LabShadowNetwork", networkProblems(args));
    const { shadow, plan } = planShadow(name, args);
    const record = { ...shadow, ...(args.production === undefined ? {} : { production: args.production }) };
    const { network: id, role, topology } = plan.network;
    const network = new Network(`${name}-network`, { network: id, role, topology, record }, { parent: this });
    const after = (dependsOn: pulumi.Resource[]): pulumi.CustomResourceOptions => ({ parent: this, dependsOn });
    const subnets = new Map(
      plan.subnets.map((subnet) => [
        subnet.subnet,
        new Subnet(`${name}-subnet-${subnet.subnet}`, subnet, after([network])),
      ]),
    );
    const machines = plan.machines.map((machine) => {
      const own = machine.interfaces.flatMap(({ subnet }) => subnets.get(subnet) ?? []);
      return new Machine(`${name}-machine-${machine.machine}`, machine, after([...new Set(own)]));
    });
    this.networkId = network.network;
    this.subnetIds = pulumi.all([...subnets.values()].map(({ id }) => id));
    this.machineIds = pulumi.all(machines.map(({ id }) => id));
    this.linkIds = pulumi.output(linkNames(plan));
    this.gatewayAddress = pulumi.output(applianceAddresses.routerToGateway.gateway as string);
    this.fidelity = pulumi.output(shadow.fidelity);
    this.registerOutputs({
      networkId: this.networkId,
      subnetIds: this.subnetIds,
      machineIds: this.machineIds,
      linkIds: this.linkIds,
      gatewayAddress: this.gatewayAddress,
      fidelity: this.fidelity,
    });
  }
}

/** Everything that is wrong with the arguments of a {@link LabShadowNetwork}. */
export function networkProblems(args: LabShadowNetworkArgs): Problem[] {
  const ofTopology = under("topology", topologyProblems(args.topology));
  const ofName = args.networkName === undefined ? [] : nameProblems(args.networkName);
  if (ofTopology.length > 0) return [...ofName, ...ofTopology];
  const ofSettings = shadowProblems(args.topology, args);
  if (ofSettings.length > 0) return [...ofName, ...ofSettings];
  return [...ofName, ...builtProblems(args)];
}

/** The lab's appliances always stand in their default range, also in the shadow of a network that lies in AWS. */
function topologyProblems(topology: LabShadowNetworkArgs["topology"]): Problem[] {
  const problems = validateTopology(topology);
  return problems.length > 0 ? problems : applianceRangeProblems(topology);
}

function nameProblems(name: string): Problem[] {
  if (/^[a-z0-9][a-z0-9-]{0,39}$/.test(name)) return [];
  const allowed = "at most 40 lower-case letters, digits and hyphens, a letter or digit first";
  return [{ path: "networkName", reason: `"${name}" is not a network name: ${allowed}` }];
}

/** What can only be seen when the shadow has been thought through: no free address, broken references. */
function builtProblems(args: LabShadowNetworkArgs): Problem[] {
  try {
    planShadow("check", args);
    return [];
  } catch (error) {
    if (error instanceof ProblemsError) return under("topology", error.problems);
    if (error instanceof RangeError) return [{ path: "scale", reason: error.message }];
    throw error;
  }
}

function planShadow(name: string, args: LabShadowNetworkArgs): { shadow: ShadowTopology; plan: LabPlan } {
  const shadow = shadowTopology(args.topology, args);
  const network = args.networkName ?? defaultNetworkName(name);
  const settings = args.dataRoot === undefined ? {} : { dataRoot: args.dataRoot };
  return { shadow, plan: planNetwork(shadow.topology, network, "shadow", settings) };
}

/** The component's name and the stack's, in the letters that a network's name may have. */
export function defaultNetworkName(name: string): string {
  const wanted = `${name}-${pulumi.getStack()}`;
  const allowed = wanted
    .toLowerCase()
    .replaceAll(/[^a-z0-9-]+/g, "-")
    .replace(/^-+/, "");
  if (allowed === wanted && wanted.length <= 40) return wanted;
  const digest = createHash("sha256").update(wanted).digest("hex").slice(0, 6);
  return `${allowed.slice(0, 33)}-${digest}`;
}

function linkNames({ machines, subnets }: LabPlan): string[] {
  const ofMachines = machines.flatMap(({ machine, interfaces }) => interfaces.map(({ name }) => `${machine}/${name}`));
  return [...ofMachines, ...subnets.map(({ subnet }) => subnet)];
}
