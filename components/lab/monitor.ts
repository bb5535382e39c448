import * as pulumi from "@pulumi/pulumi";

import type { MonitorSettings } from "../monitor";
import { validateMonitor } from "../validation/monitor";
import type { Topology } from "../topology";
import { validateTopology } from "../topologySchema";
import { MonitorDefinition } from "./provider/sdk";
import { rejectProblems, under } from "../refusal";

/** Arguments of {@link LabMonitor}. */
export interface LabMonitorArgs extends MonitorSettings {
  /** Name of the shadow's network on this host: `networkId` of a LabShadowNetwork. */
  network: pulumi.Input<string>;
  /** The topology that alarms' targets are looked up in. */
  topology: Topology;
}

/** What is watched in a shadow and who is told; runs and the console read it. *Cost:* none until something runs. */
export class LabMonitor extends pulumi.ComponentResource {
  /** Id of the definition. */
  readonly monitorId: pulumi.Output<string>;

  constructor(name: string, args: LabMonitorArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:LabMonitor", name, args, opts);
    const definition = definitionOf(args);
    const ofTopology = under("topology", validateTopology(args.topology));
    rejectProblems("LabMonitor", ofTopology.length > 0 ? ofTopology : validateMonitor(definition, args.topology));
    const resource = new MonitorDefinition(
      `${name}-definition`,
      { network: args.network, definition },
      { parent: this },
    );
    this.monitorId = resource.id;
    this.registerOutputs({ monitorId: this.monitorId });
  }
}

function definitionOf({ signals, alarms, notify, ...rest }: LabMonitorArgs): MonitorSettings {
  const others = Object.entries(rest).filter(([key]) => key !== "network" && key !== "topology");
  const known = Object.entries({ signals, alarms, notify }).filter(([, value]) => value !== undefined);
  return Object.fromEntries<unknown>([...known, ...others]);
}
