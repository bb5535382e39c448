import { didYouMean, type Problem } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import type { Topology } from "../../topology";
import { AwsApi, type AwsFaultAction, AwsFaultKind } from "./awsActions";
import { groupsMatching, zoneIdsOf } from "./controlPlaneFaults";
import { fisLimits } from "./model";
import { lengthProblems } from "./parts";

type Field = keyof AwsFaultAction;
interface Fields {
  needs: Field[];
  takes: Field[];
}

/** Services that no fault on an endpoint may be aimed at: without them the experiment itself could not be ended. */
const kept = ["ssm", "ssmmessages", "ec2messages"];

const apiError: Fields = { needs: ["operations", "durationSeconds"], takes: ["roles", "api", "percent"] };
const fields: Record<AwsFaultKind, Fields> = {
  endpointDown: { needs: ["endpoint", "durationSeconds"], takes: [] },
  diskLatency: { needs: ["machine", "delayMilliseconds", "durationSeconds"], takes: ["percent"] },
  machineReboot: { needs: ["machine"], takes: [] },
  apiInternalError: apiError,
  apiThrottling: apiError,
  apiUnavailable: apiError,
  apiNoCapacity: { needs: ["durationSeconds"], takes: ["roles", "zones", "percent"] },
  groupNoCapacity: { needs: ["autoScalingGroup", "durationSeconds"], takes: ["zones", "percent"] },
};

/** What is wrong with a fault that only AWS has. */
export function awsActionProblems(path: string, action: AwsFaultAction, topology: Topology): Problem[] {
  const rules = (fields as Partial<Record<string, Fields>>)[action.fault];
  if (rules === undefined) {
    const known = Object.values(AwsFaultKind);
    const reason = `unknown fault "${action.fault}"; there are ${known.join(", ")}${didYouMean(action.fault, known)}`;
    return [{ path: `${path}.fault`, reason }];
  }
  const given = (Object.keys(action) as Field[]).filter((key) => action[key] !== undefined);
  const allowed = ["fault", "startAfter", ...rules.needs, ...rules.takes];
  return [
    ...rules.needs
      .filter((key) => action[key] === undefined)
      .map((key) => ({ path: `${path}.${key}`, reason: `missing; ${action.fault} needs it` })),
    ...given
      .filter((key) => !allowed.includes(key))
      .map((key) => ({
        path: `${path}.${key}`,
        reason: `${action.fault} takes no ${key}; it takes ${allowed.slice(1).join(", ")}`,
      })),
    ...targetProblems(path, action, topology),
    ...apiProblems(path, action),
    ...amountProblems(path, action),
  ];
}

function targetProblems(path: string, action: AwsFaultAction, topology: Topology): Problem[] {
  const { machine, endpoint, autoScalingGroup, zones } = action;
  const problems: Problem[] = [];
  const names = topology.machines.map(({ name }) => name);
  if (machine !== undefined && !names.some((name) => matchesPattern(name, machine))) {
    const reason = `no machine of the shadow matches "${machine}"${didYouMean(machine, names)}`;
    problems.push({ path: `${path}.machine`, reason });
  }
  if (endpoint !== undefined && kept.includes(endpoint)) {
    const reason = `${endpoint} carries the experiments themselves; name another service`;
    problems.push({ path: `${path}.endpoint`, reason });
  }
  if (autoScalingGroup !== undefined) problems.push(...groupProblems(path, autoScalingGroup, topology));
  if (zones !== undefined) {
    const known = zoneIdsOf(topology);
    problems.push(...listProblems(`${path}.zones`, "zone", zones));
    zones.forEach((zone, index) => {
      if (known.includes(zone)) return;
      const reason = `"${zone}" is no zone of the shadow; there are ${known.join(", ")}${didYouMean(zone, known)}`;
      problems.push({ path: `${path}.zones[${index}]`, reason });
    });
  }
  return problems;
}

function groupProblems(path: string, pattern: string, topology: Topology): Problem[] {
  const found = groupsMatching(topology, pattern);
  const most = fisLimits.arnsPerTarget;
  if (found.length > 0 && found.length <= most) return [];
  const known = (topology.aws?.autoScalingGroups ?? []).map(({ name }) => name);
  const cure = "groups are groups in a shadow only when autoScalingGroups of the network names them";
  const reason =
    found.length === 0
      ? `no Auto Scaling group of the shadow matches "${pattern}"${didYouMean(pattern, known)}; ${cure}`
      : `"${pattern}" matches ${found.length} groups; FIS takes ${most} by their ARNs, so write several actions`;
  return [{ path: `${path}.autoScalingGroup`, reason }];
}

function apiProblems(path: string, { roles, api, operations }: AwsFaultAction): Problem[] {
  const problems: Problem[] = [];
  if (roles !== undefined) {
    problems.push(...listProblems(`${path}.roles`, "role", roles, fisLimits.arnsPerTarget));
    roles.forEach((role, index) => {
      if (/^[\w+=,.@-]{1,64}$/.test(role)) return;
      const reason = `"${role}" is no name of a role; give the name alone, as only roles below the shadow's path are hit`;
      problems.push({ path: `${path}.roles[${index}]`, reason });
    });
  }
  if (api !== undefined && !Object.values(AwsApi).includes(api)) {
    const known = Object.values(AwsApi);
    problems.push({ path: `${path}.api`, reason: `"${api}" is not allowed; allowed are ${known.join(", ")}` });
  }
  if (operations !== undefined) {
    problems.push(...listProblems(`${path}.operations`, "call", operations));
    operations.forEach((operation, index) => {
      if (/^[A-Z][A-Za-z0-9]+$/.test(operation)) return;
      const reason = `"${operation}" is no call of an API such as DescribeInstances; patterns are not known to FIS`;
      problems.push({ path: `${path}.operations[${index}]`, reason });
    });
    const { length } = operations.join(",");
    if (length > fisLimits.parameterCharacters) {
      const reason = `${length} characters in one list, FIS takes ${fisLimits.parameterCharacters}; write several actions`;
      problems.push({ path: `${path}.operations`, reason });
    }
  }
  return problems;
}

function listProblems(path: string, what: string, list: readonly string[], most = Infinity): Problem[] {
  if (list.length === 0) return [{ path, reason: `names nothing; name at least one ${what}` }];
  if (list.length > most) {
    return [{ path, reason: `names ${list.length}, FIS takes ${most} by their ARNs; write several actions` }];
  }
  return list.flatMap((entry, index) =>
    list.indexOf(entry) === index ? [] : [{ path: `${path}[${index}]`, reason: `"${entry}" is named twice` }],
  );
}

function amountProblems(path: string, action: AwsFaultAction): Problem[] {
  const { fault, delayMilliseconds, percent, durationSeconds } = action;
  const problems: Problem[] = [];
  if (delayMilliseconds !== undefined && !(delayMilliseconds >= 1 && delayMilliseconds <= 60_000)) {
    const reason = `${delayMilliseconds} is not allowed; allowed is 1 to 60000 ms`;
    problems.push({ path: `${path}.delayMilliseconds`, reason });
  }
  const ofDisks = fault === "diskLatency";
  const fits = (share: number): boolean =>
    ofDisks ? share >= 0.1 && share <= 100 : Number.isInteger(share) && share >= 1 && share <= 100;
  if (percent !== undefined && !fits(percent)) {
    const allowed = ofDisks ? "0.1 to 100 %" : "whole percents from 1 to 100";
    problems.push({ path: `${path}.percent`, reason: `${percent} is not allowed; allowed is ${allowed}` });
  }
  if (durationSeconds === undefined) return problems;
  const shortest = ofDisks ? 1 : fisLimits.shortestSeconds;
  return [...problems, ...lengthProblems(`${path}.durationSeconds`, fault, durationSeconds, shortest)];
}
