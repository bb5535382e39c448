import { matchesPattern } from "../../internal/patterns";
import type { AwsAutoScalingGroup } from "../../topologyAws";
import type { Topology } from "../../topology";
import type { AwsFaultAction } from "./awsActions";
import type { PlannedAction, PlannedTarget, ResourceReference } from "./model";
import { type ActionParts, isoDuration, noParts } from "./parts";

/** Faults of AWS's own API and capacity: nothing of the shadow breaks, what it asks AWS for is refused. */

const apiErrors: Partial<Record<string, { actionId: string; answer: string }>> = {
  apiInternalError: { actionId: "aws:fis:inject-api-internal-error", answer: "with an internal error" },
  apiThrottling: { actionId: "aws:fis:inject-api-throttle-error", answer: "that they are too many" },
  apiUnavailable: { actionId: "aws:fis:inject-api-unavailable-error", answer: "that the service is unavailable" },
};

/** Calls by roles of the shadow that are answered with an error. */
export function apiErrorParts(name: string, action: AwsFaultAction): ActionParts {
  const { fault, roles, api = "ec2", operations = [], percent = 100, durationSeconds = 0 } = action;
  const { actionId, answer } = apiErrors[fault]!;
  const parameters = { service: api, operations: operations.join(","), percentage: `${percent}` };
  const description = `answers ${percent} % of the calls of ${rolesText(roles)} ${answer}`;
  return {
    ...noParts,
    actions: [{ ...timed(name, durationSeconds, parameters), actionId, description, target: { key: "Roles", name } }],
    targets: [rolesTarget(name, roles)],
    notes: machineRoleNotes(fault, roles),
  };
}

/** EC2 has no instance for roles or Auto Scaling groups of the shadow. */
export function capacityParts(name: string, action: AwsFaultAction, topology: Topology): ActionParts {
  const { fault, roles, autoScalingGroup, percent = 100, durationSeconds = 0 } = action;
  const zones = action.zones ?? zoneIdsOf(topology);
  const parameters = { availabilityZoneIdentifiers: zones.join(","), percentage: `${percent}` };
  const common = timed(name, durationSeconds, parameters);
  const said = (who: string): string =>
    `refuses ${percent} % of the instances that ${who} asks for in ${zones.join(", ")}`;
  if (autoScalingGroup === undefined) {
    const target = { key: "Roles", name };
    const actionId = "aws:ec2:api-insufficient-instance-capacity-error";
    return {
      ...noParts,
      actions: [{ ...common, actionId, description: said(rolesText(roles)), target }],
      targets: [rolesTarget(name, roles)],
      notes: machineRoleNotes(fault, roles),
    };
  }
  const references = groupsMatching(topology, autoScalingGroup).map((group): ResourceReference => ({
    kind: "autoScalingGroup",
    name: group.name,
  }));
  const actionId = "aws:ec2:asg-insufficient-instance-capacity-error";
  const target = { key: "AutoScalingGroups", name };
  return {
    ...noParts,
    actions: [{ ...common, actionId, description: said(autoScalingGroup), target }],
    targets: [{ name, resourceType: "aws:ec2:autoscaling-group", tags: {}, filters: [], references }],
  };
}

/** Auto Scaling groups of a topology by name or pattern. */
export function groupsMatching({ aws }: Topology, pattern: string): AwsAutoScalingGroup[] {
  return (aws?.autoScalingGroups ?? []).filter(({ name }) => matchesPattern(name, pattern));
}

/** Ids of a topology's zones; their names differ from account to account. */
export function zoneIdsOf({ aws }: Topology): string[] {
  return (aws?.zones ?? []).map(({ id }) => id);
}

function timed(
  name: string,
  seconds: number,
  parameters: Record<string, string>,
): Pick<PlannedAction, "name" | "parameters" | "startAfter" | "seconds"> {
  return { name, parameters: { duration: isoDuration(seconds), ...parameters }, startAfter: [], seconds };
}

/** Roles by their ARNs: FIS looks at no tags of roles where capacity is concerned. */
function rolesTarget(name: string, roles: readonly string[] | undefined): PlannedTarget {
  const references: ResourceReference[] =
    roles === undefined
      ? [{ kind: "machineRole", name: "" }]
      : roles.map((role) => ({ kind: "role" as const, name: role }));
  return { name, resourceType: "aws:iam:role", tags: {}, filters: [], references };
}

function rolesText(roles: readonly string[] | undefined): string {
  return roles === undefined ? "the machines' role" : roles.join(", ");
}

/** The machines' role may steer and report; what the applications on them ask AWS for has to be allowed first. */
function machineRoleNotes(fault: string, roles: readonly string[] | undefined): string[] {
  if (roles !== undefined) return [];
  return [`${fault}: the machines' own role may make none of these calls until a policy of yours lets it`];
}
