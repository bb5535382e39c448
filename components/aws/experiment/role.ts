import * as iam from "@pulumi/aws/iam";
import type * as ssm from "@pulumi/aws/ssm";
import * as pulumi from "@pulumi/pulumi";

import type { RefusedCalls } from "../iam/controlPlaneFaults";
import { experimentPermissions, experimentTrust } from "../iam/experimentRole";
import { placeOf } from "../iam/place";
import type { ShadowParts } from "../shadowParts";
import type { Made } from "./made";
import type { ExperimentPlan } from "./model";
import { referencedArn } from "./references";

/** The role and what it may do; a template that comes before the permissions would be refused. */
export interface ExperimentRole {
  role: iam.Role;
  permissions: iam.RolePolicy;
}

/** Makes the role that FIS takes in a run. */
export function makeRole(
  { name, args, plan, shadow, tags, parent }: Made,
  documents: Map<string, ssm.Document>,
): ExperimentRole {
  const actions = plan.templates.flatMap((template) => template.actions);
  const references = plan.templates.flatMap(({ targets }) => targets.flatMap((target) => target.references));
  const role = new iam.Role(
    `${name}-role`,
    {
      path: shadow.rolePath,
      permissionsBoundary: shadow.permissionsBoundaryArn,
      assumeRolePolicy: placeOf(shadow).apply((place) => JSON.stringify(experimentTrust(place))),
      tags,
    },
    { parent },
  );
  const documentArns = pulumi.all([...documents.values()].map(({ arn }) => arn));
  const arnsOf = (kind: string): pulumi.Output<string[]> =>
    pulumi.all(references.filter((one) => one.kind === kind).map((one) => referencedArn(shadow, one)));
  const { partition, region, accountId, shadowName, vpcId, bucketName } = shadow;
  const report =
    args.reportDashboardArn === undefined ? undefined : { dashboardArn: args.reportDashboardArn, bucketName };
  const policy = pulumi
    .output({
      ...{ partition, region, accountId, shadowName, vpcId, documentArns },
      subnetArns: arnsOf("subnet"),
      endpointArns: arnsOf("endpoint"),
      calls: refusedCalls(plan, shadow),
      ...(report === undefined ? {} : { report }),
    })
    .apply((settings) => {
      const actionIds = [...new Set(actions.map(({ actionId }) => actionId))].sort();
      return JSON.stringify(experimentPermissions({ ...settings, actionIds }));
    });
  const permissions = new iam.RolePolicy(`${name}-role-permissions`, { role: role.id, policy }, { parent });
  return { role, permissions };
}

/** What each action makes AWS refuse, and to whom: the role may do it to them and for these calls alone. */
function refusedCalls({ templates }: ExperimentPlan, shadow: ShadowParts): pulumi.Output<RefusedCalls[]> {
  const calls = templates.flatMap(({ actions, targets }) =>
    actions.map(({ actionId, parameters: { service, operations }, target }) => {
      const aimed = targets.find(({ name }) => name === target?.name)?.references ?? [];
      return pulumi
        .all(aimed.map((reference) => referencedArn(shadow, reference)))
        .apply((targetArns): RefusedCalls => ({
          actionId,
          targetArns,
          ...(service === undefined ? {} : { service }),
          ...(operations === undefined ? {} : { operations: operations.split(",") }),
        }));
    }),
  );
  return pulumi.all(calls);
}
