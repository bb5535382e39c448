import * as pulumi from "@pulumi/pulumi";

import type { Experiment, ExperimentAction } from "../experiment";
import { validateExperiment } from "../validation/experiment";
import type { Problem } from "../internal/problems";
import { validateFault } from "../runtime/faults/parameters";
import type { Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import { ExperimentDefinition } from "./provider/sdk";
import { rejectProblems, under } from "../refusal";

/** Arguments of {@link LabFaultExperiment}. */
export interface LabFaultExperimentArgs extends Experiment {
  /** Name of the shadow's network on this host: `networkId` of a LabShadowNetwork. */
  network: pulumi.Input<string>;
  /** The topology that the targets are looked up in. */
  topology: Topology;
  /** Name by which it is run: letters, digits and hyphens. Defaults to the component's name. */
  experimentName?: string;
}

/**
 * The definition of an experiment on a shadow; `shadownet run <name>` runs it.
 *
 * *Safety:* targets are machines, links and flows of the shadow and of nothing else, and the blast radius is checked here
 * and again in every run. *Cost:* none until it runs.
 */
export class LabFaultExperiment extends pulumi.ComponentResource {
  /** Id of the definition. */
  readonly experimentId: pulumi.Output<string>;

  constructor(name: string, args: LabFaultExperimentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:LabFaultExperiment", name, args, opts);
    const own = args.experimentName ?? name;
    const definition = definitionOf(args);
    const ofTopology = under("topology", validateTopology(args.topology));
    rejectProblems(
      "LabFaultExperiment",
      ofTopology.length > 0 ? ofTopology : experimentProblems(own, definition, args.topology),
    );
    const resource = new ExperimentDefinition(
      `${name}-definition`,
      { network: args.network, name: own, definition },
      { parent: this },
    );
    this.experimentId = resource.id;
    this.registerOutputs({ experimentId: this.experimentId });
  }
}

function definitionOf(args: LabFaultExperimentArgs): Experiment {
  const others = ["network", "topology", "experimentName"];
  return Object.fromEntries(Object.entries(args).filter(([key]) => !others.includes(key))) as unknown as Experiment;
}

/** Everything that is wrong with an experiment in the lab, faults and their targets included. */
export function experimentProblems(name: string, experiment: Experiment, topology: Topology): Problem[] {
  const problems = validateExperiment(name, experiment, topology);
  if (problems.length > 0) return problems;
  return Object.entries(experiment.actions).flatMap(([key, action]) => faultProblems(`actions.${key}`, action));
}

function faultProblems(path: string, action: ExperimentAction): Problem[] {
  const { fault, target } = action;
  if (fault === undefined) return [];
  const kind = target?.flow !== undefined ? "flow" : target?.link !== undefined ? "link" : "machine";
  return validateFault(fault, action, kind, path);
}
