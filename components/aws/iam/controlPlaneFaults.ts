import { type ArnPlace, type IamStatement, arnOf } from "./document";

/** What one action of FIS makes AWS refuse. */
export interface RefusedCalls {
  actionId: string;
  /** ARNs of the roles or Auto Scaling groups whose calls are refused. */
  targetArns: string[];
  /** API that they call; only where answers of an API are replaced. */
  service?: string;
  /** Their calls. */
  operations?: string[];
}

const apiActions: Partial<Record<string, string>> = {
  "aws:fis:inject-api-internal-error": "fis:InjectApiInternalError",
  "aws:fis:inject-api-throttle-error": "fis:InjectApiThrottleError",
  "aws:fis:inject-api-unavailable-error": "fis:InjectApiUnavailableError",
};
const capacityActions: Partial<Record<string, string>> = {
  "aws:ec2:api-insufficient-instance-capacity-error": "RefuseInstancesToRoles",
  "aws:ec2:asg-insufficient-instance-capacity-error": "RefuseInstancesToGroups",
};

/**
 * Lets FIS make AWS refuse these calls. AWS knows no resource for it, or the experiment alone: it is the condition that
 * keeps everybody else's calls out. It says twice whose calls they are, as a condition on all values holds for none too.
 */
export function refusalStatements(place: ArnPlace, calls: readonly RefusedCalls[]): IamStatement[] {
  const ids = [...new Set(calls.map(({ actionId }) => actionId))].sort();
  return ids.flatMap((actionId): IamStatement[] => {
    const own = calls.filter((call) => call.actionId === actionId);
    const targets = distinct(own.flatMap(({ targetArns }) => targetArns));
    const apiAction = apiActions[actionId];
    if (apiAction !== undefined) return [apiErrors(place, apiAction, own, targets)];
    const sid = capacityActions[actionId];
    if (sid === undefined) return [];
    return [capacityErrors(sid, actionId, targets), ...(sid === "RefuseInstancesToGroups" ? [lookAtGroups] : [])];
  });
}

function apiErrors(place: ArnPlace, action: string, calls: readonly RefusedCalls[], targets: string[]): IamStatement {
  return {
    Sid: action.replace("fis:", ""),
    Effect: "Allow",
    Action: [action],
    Resource: [arnOf(place, "fis", "experiment/*")],
    Condition: {
      StringEquals: { "fis:Service": distinct(calls.flatMap(({ service = [] }) => service)) },
      "ForAllValues:StringEquals": {
        "fis:Operations": distinct(calls.flatMap(({ operations = [] }) => operations)),
        "fis:Targets": targets,
      },
      Null: { "fis:Targets": "false" },
    },
  };
}

function capacityErrors(Sid: string, actionId: string, targets: string[]): IamStatement {
  return {
    Sid,
    Effect: "Allow",
    Action: ["ec2:InjectApiError"],
    Resource: ["*"],
    Condition: {
      "ForAnyValue:StringEquals": { "ec2:FisActionId": [actionId] },
      "ForAllValues:ArnEquals": { "ec2:FisTargetArns": targets },
      Null: { "ec2:FisTargetArns": "false" },
    },
  };
}

const lookAtGroups: IamStatement = {
  Sid: "LookAtGroups",
  Effect: "Allow",
  Action: ["autoscaling:DescribeAutoScalingGroups"],
  Resource: ["*"],
};

function distinct(values: readonly string[]): string[] {
  return [...new Set(values)].sort();
}
