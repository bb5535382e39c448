import type * as fis from "@pulumi/aws/fis";
import * as iam from "@pulumi/aws/iam";
import * as scheduler from "@pulumi/aws/scheduler";
import * as sfn from "@pulumi/aws/sfn";
import * as pulumi from "@pulumi/pulumi";

import type { ExperimentSchedule } from "../../experiment";
import { placeOf } from "../iam/place";
import { repeaterPermissions, repeaterTrust, schedulerPermissions, schedulerTrust } from "../iam/repeaterRoles";
import type { ShadowParts } from "../shadowParts";
import type { ExperimentPlan } from "./model";
import { longestSeconds } from "./order";
import { plannedSchedule } from "./schedule";
import { repeaterDefinition } from "./stateMachine";

/** What repeats an experiment and starts it by the clock. */
export interface RepetitionSettings {
  name: string;
  plan: ExperimentPlan;
  shadow: ShadowParts;
  tags: pulumi.Output<Record<string, string>>;
  parent: pulumi.Resource;
  templates: fis.ExperimentTemplate[];
  repetitions: number;
  schedule: ExperimentSchedule | undefined;
  recoverySeconds: number;
  gateNames: pulumi.Output<string>[];
}

/** Makes the state machine where one run of one template is not all, and the schedule where there is one; the machine's ARN. */
export function makeRepetition(settings: RepetitionSettings): pulumi.Output<string> {
  const repeated = settings.templates.length > 1 || settings.repetitions > 1;
  const arn = repeated ? makeStateMachine(settings).arn : undefined;
  if (settings.schedule !== undefined) makeSchedule(settings, settings.schedule, arn);
  return arn ?? pulumi.output("");
}

function makeStateMachine(settings: RepetitionSettings): sfn.StateMachine {
  const { name, plan, shadow, tags, parent, templates, repetitions, recoverySeconds, gateNames } = settings;
  const ids = pulumi.all(templates.map(({ id }) => id));
  const { role, permissions } = makeRole(settings, "repeater", {
    trust: placeOf(shadow).apply((place) => JSON.stringify(repeaterTrust(place))),
    policy: pulumi
      .all([placeOf(shadow), ids])
      .apply(([place, known]) => JSON.stringify(repeaterPermissions(place, known))),
  });
  const seconds = plan.templates.map(({ actions }) => longestSeconds(actions));
  const definition = pulumi.all([shadow.partition, ids, pulumi.all(gateNames)]).apply(([partition, known, gates]) =>
    JSON.stringify(
      repeaterDefinition({
        partition,
        templates: known.map((id, index) => ({ id, seconds: seconds[index] ?? 0 })),
        repetitions,
        gates,
        recoverySeconds,
      }),
    ),
  );
  const options = { parent, dependsOn: [permissions] };
  return new sfn.StateMachine(`${name}-repeater`, { roleArn: role.arn, definition, tags }, options);
}

function makeSchedule(
  settings: RepetitionSettings,
  asked: ExperimentSchedule,
  stateMachineArn: pulumi.Output<string> | undefined,
): void {
  const { name, shadow, parent, templates } = settings;
  const { expression, timeZone, windowMinutes } = plannedSchedule(asked);
  const id = templates[0]!.id;
  const { role, permissions } = makeRole(settings, "schedule", {
    trust: placeOf(shadow).apply((place) => JSON.stringify(schedulerTrust(place))),
    policy: pulumi
      .all([placeOf(shadow), id, stateMachineArn])
      .apply(([place, template, machine]) =>
        JSON.stringify(schedulerPermissions(place, { templateIds: [template], stateMachineArn: machine })),
      ),
  });
  const target =
    stateMachineArn === undefined
      ? {
          arn: pulumi.interpolate`arn:${shadow.partition}:scheduler:::aws-sdk:fis:startExperiment`,
          input: id.apply((template) =>
            JSON.stringify({ ClientToken: "<aws.scheduler.execution-id>", ExperimentTemplateId: template }),
          ),
        }
      : { arn: stateMachineArn };
  new scheduler.Schedule(
    `${name}-schedule`,
    {
      scheduleExpression: expression,
      scheduleExpressionTimezone: timeZone,
      flexibleTimeWindow:
        windowMinutes === 0 ? { mode: "OFF" } : { mode: "FLEXIBLE", maximumWindowInMinutes: windowMinutes },
      target: { ...target, roleArn: role.arn, retryPolicy: { maximumRetryAttempts: 0 } },
    },
    { parent, dependsOn: [permissions] },
  );
}

interface RoleDocuments {
  trust: pulumi.Output<string>;
  policy: pulumi.Output<string>;
}

function makeRole({ name, shadow, tags, parent }: RepetitionSettings, of: string, { trust, policy }: RoleDocuments) {
  const role = new iam.Role(
    `${name}-${of}-role`,
    {
      path: shadow.rolePath,
      permissionsBoundary: shadow.permissionsBoundaryArn,
      assumeRolePolicy: trust,
      tags,
    },
    { parent },
  );
  const permissions = new iam.RolePolicy(`${name}-${of}-role-permissions`, { role: role.id, policy }, { parent });
  return { role, permissions };
}
