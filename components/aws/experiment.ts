import * as pulumi from "@pulumi/pulumi";

import type { Experiment } from "../experiment";
import type { Topology } from "../topology";
import type { AwsFaultAction } from "./experiment/awsActions";
import { checkedPlan } from "./experiment/checked";
import { makeAlarms, makeDocuments, makeSingleFaults, makeTemplates, tagsOf } from "./experiment/children";
import type { Made } from "./experiment/made";
import { makeRepetition } from "./experiment/repetition";
import { makeRole } from "./experiment/role";
import { notedArgs } from "./notedArgs";
import type { AwsShadowReference } from "./shadow";
import { shadowParts } from "./shadowParts";

/** Arguments of {@link AwsFaultExperiment}. */
export interface AwsFaultExperimentArgs extends Experiment {
  /** The shadow: `shadow` of an AwsShadowNetwork. */
  shadow: pulumi.Input<AwsShadowReference>;
  /** The topology that the targets are looked up in. */
  topology: Topology;
  /** Name by which it is run: letters, digits and hyphens. Defaults to the component's name. */
  experimentName?: string;
  /** Faults that only AWS has, by name, beside `actions`. Defaults to none. */
  awsActions?: Record<string, AwsFaultAction>;
  /** How often a run is repeated, each time after the alarms are OK again. Defaults to once. */
  repetitions?: number;
  /** ARNs of further alarms that end a run, for example of the mirror's guards. Defaults to none. */
  guardAlarmArns?: pulumi.Input<string>[];
  /** Control group, below the root, of what runs on the machines. Defaults to `system.slice`, where systemd has services. */
  workloadGroup?: string;
  /** Account of production, where live is read in another one than the shadow's. Defaults to the shadow's. */
  productionAccountId?: pulumi.Input<string>;
  /** Dashboard that AWS's report of a run shows; reports go to the shadow's bucket. Defaults to no report. */
  reportDashboardArn?: pulumi.Input<string>;
  /** Days for which the log of runs is kept. Defaults to 90. */
  logRetentionDays?: number;
  /** Tags on everything beside the shadow's own. Defaults to none. */
  tags?: Record<string, string>;
}

/**
 * An experiment as templates of AWS's Fault Injection Service: FIS's own actions where it has them, else the compiled
 * fault as an SSM document of its own. `shadownet run`, its schedule or the console starts it.
 *
 * *Safety:* targets are chosen by the shadow's tag and VPC, the documents do nothing in another VPC, and the role may
 * do what the actions need and nothing else. *Cost:* alarms and log by the month; a run by action and minute; a report each.
 */
export class AwsFaultExperiment extends pulumi.ComponentResource {
  /** Name of the shadow and of the experiment, `shop-shadow/dbSlow`. */
  readonly experimentId: pulumi.Output<string>;
  /** Ids of the FIS templates, in the order in which they run. */
  readonly templateIds: pulumi.Output<string[]>;
  /** Names of the SSM documents. */
  readonly documentNames: pulumi.Output<string[]>;
  /** ARNs of the alarms that end a run. */
  readonly stopAlarmArns: pulumi.Output<string[]>;
  /** ARN of the state machine that runs the templates; empty when the only template is run once. */
  readonly stateMachineArn: pulumi.Output<string>;
  /** What is done otherwise than in the lab, one sentence each. */
  readonly notes: pulumi.Output<string[]>;

  constructor(name: string, args: AwsFaultExperimentArgs, opts?: pulumi.ComponentResourceOptions) {
    super("shadownet:index:AwsFaultExperiment", name, notedArgs(args), opts);
    const own = args.experimentName ?? name;
    const plan = checkedPlan(own, args);
    const shadow = shadowParts(args.shadow);
    const made: Made = { name, own, args, plan, shadow, tags: tagsOf(shadow, own, args.tags), parent: this };
    const alarms = makeAlarms(made);
    const documents = makeDocuments(made);
    const role = makeRole(made, documents);
    const templates = makeTemplates(made, { alarms, documents, role });
    makeSingleFaults(made, { alarms, documents, role });
    const stateMachineArn = makeRepetition({
      ...made,
      templates,
      repetitions: args.repetitions ?? 1,
      schedule: args.schedule,
      recoverySeconds: args.analysis?.recoverySeconds ?? 30,
      gateNames: plan.gates.map((key) => alarms.get(key)!.name),
    });
    this.experimentId = pulumi.interpolate`${shadow.shadowName}/${own}`;
    this.templateIds = pulumi.all(templates.map(({ id }) => id));
    this.documentNames = pulumi.all([...documents.values()].map((document) => document.name));
    this.stopAlarmArns = pulumi.all([...plan.stop.map((key) => alarms.get(key)!.arn), ...(args.guardAlarmArns ?? [])]);
    this.stateMachineArn = stateMachineArn;
    this.notes = pulumi.output(plan.notes);
    this.registerOutputs({
      experimentId: this.experimentId,
      templateIds: this.templateIds,
      documentNames: this.documentNames,
      stopAlarmArns: this.stopAlarmArns,
      stateMachineArn: this.stateMachineArn,
      notes: this.notes,
    });
  }
}
