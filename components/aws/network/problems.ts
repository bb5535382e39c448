import { cidrsOverlap } from "../../internal/cidr";
import { type Problem, didYouMean } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import type { ScaleRule } from "../../network";
import { under } from "../../refusal";
import { boundaryProblems, replacementProblems, selectorProblems } from "../../shadowScaling";
import { BoundaryReplacement, type Topology, type TopologySubnet } from "../../topology";
import { validateTopology } from "../../topologySchema";
import { restoreProblems } from "./databases";
import { firstBootProblems } from "./firstBoot";
import { applianceProblems, defaultApplianceCidr } from "./layout";
import { planAwsNetwork } from "./plan";
import type { AwsNetworkPlan, AwsNetworkSettings } from "./planTypes";

/** What the check of a shadow's arguments looks at beside the settings of its plan. */
export interface AwsCheckedSettings extends AwsNetworkSettings {
  rangeQuota?: number;
  shadowName?: string;
  buckets?: string[];
  tags?: Record<string, string>;
}

/** Ranges that AWS gives a VPC unless it is asked for more, and the most that it gives. */
const defaultRangeQuota = 5;
const largestRangeQuota = 50;

/** Everything that speaks against a shadow of the topology on AWS with these settings. */
export function awsNetworkProblems(topology: Topology, settings: AwsCheckedSettings): Problem[] {
  const ofTopology = under("topology", validateTopology(topology));
  if (ofTopology.length > 0) return ofTopology;
  const ofSource = under("topology", sourceProblems(topology));
  if (ofSource.length > 0) return ofSource;
  const ofScale = scaleProblems(topology, settings);
  const usable = ofScale.length === 0 ? settings : { ...settings, scale: [] };
  return [
    ...ofScale,
    ...settingProblems(topology, settings),
    ...rangeProblems(topology, settings),
    ...plannedProblems(topology, usable),
  ];
}

/** A shadow on AWS needs what only a capture from AWS knows. */
function sourceProblems(topology: Topology): Problem[] {
  const { source, aws, networks, machines } = topology;
  const cure = "capture the network by `shadownet capture aws --vpc …`";
  if (aws === undefined) return [{ path: "aws", reason: `it was not captured from AWS; ${cure}` }];
  const missing = (path: string): Problem => ({ path, reason: `AWS's own words are missing; ${cure}` });
  return [
    ...(source?.region === undefined ? [{ path: "source.region", reason: `the region is missing; ${cure}` }] : []),
    ...(networks.length === 1
      ? []
      : [{ path: "networks", reason: `a shadow is one VPC, the topology has ${networks.length}; split it` }]),
    ...networks.flatMap(({ subnets }, n) =>
      subnets.flatMap((subnet, s) =>
        subnet.boundary === undefined ? placeProblems(`networks[${n}].subnets[${s}].aws`, subnet, missing) : [],
      ),
    ),
    ...machines.flatMap((machine, m) => (machine.aws === undefined ? [missing(`machines[${m}].aws`)] : [])),
  ];
}

/** Zones are told apart by their ids, which are the same in every account. */
function placeProblems(path: string, { aws }: TopologySubnet, missing: (path: string) => Problem): Problem[] {
  if (aws === undefined) return [missing(path)];
  if (/^[a-z0-9-]+-az\d+$/.test(aws.zoneId)) return [];
  return [{ path: `${path}.zoneId`, reason: `"${aws.zoneId}" is not the id of a zone such as euc1-az2` }];
}

function scaleProblems(topology: Topology, settings: AwsCheckedSettings): Problem[] {
  const ofSelectors = selectorProblems(topology, { scale: settings.scale ?? [], state: settings.state ?? [] });
  return [...ofSelectors, ...(settings.scale ?? []).flatMap((rule, s) => sizeProblems(topology, rule, `scale[${s}]`))];
}

function sizeProblems(topology: Topology, rule: ScaleRule, path: string): Problem[] {
  const byType = 'AWS sizes machines by instance type; give `type`, for example "m6i.xlarge"';
  const meant = topology.machines.filter(({ name }) => matchesPattern(name, rule.machines));
  const isLost = meant.length > 0 && meant.every(({ aws }) => aws?.managedBy !== undefined);
  const isType = rule.type === undefined || /^[a-z][a-z0-9-]*\.[a-z0-9-]+$/.test(rule.type);
  return [
    ...(rule.cpus === undefined ? [] : [{ path: `${path}.cpus`, reason: byType }]),
    ...(rule.memoryMegabytes === undefined ? [] : [{ path: `${path}.memoryMegabytes`, reason: byType }]),
    ...(isType
      ? []
      : [{ path: `${path}.type`, reason: `"${rule.type ?? ""}" is no instance type such as "m6i.xlarge"` }]),
    ...(isLost
      ? [
          {
            path: `${path}.machines`,
            reason: `"${rule.machines}" matches only machines that EKS or ECS manages, which are not cloned`,
          },
        ]
      : []),
  ];
}

const sinkOnly =
  "what leaves a shadow on AWS is dropped by its security groups, so only a sink is possible; for a stand-in add a machine to the topology";

function settingProblems(topology: Topology, settings: AwsCheckedSettings): Problem[] {
  const { state = [], boundaries = [], autoScalingGroups = [], shadowName, buckets = [], tags = {} } = settings;
  const groups = (topology.aws?.autoScalingGroups ?? []).map(({ name }) => name);
  return [
    ...state.flatMap(({ memory }, s) =>
      memory === true
        ? [
            {
              path: `state[${s}].memory`,
              reason:
                "AWS cannot copy a running machine's memory; leave it out, and warm caches up by replaying before the baseline",
            },
          ]
        : [],
    ),
    ...firstBootProblems(topology, settings.firstBoot ?? []),
    ...boundaryProblems(topology, boundaries),
    ...restoreProblems(topology, boundaries),
    ...replacementProblems(topology, boundaries, (replacement) =>
      replacement === BoundaryReplacement.Sink ? undefined : sinkOnly,
    ),
    ...autoScalingGroups.flatMap((name, index) =>
      groups.includes(name)
        ? []
        : [
            {
              path: `autoScalingGroups[${index}]`,
              reason: `no Auto Scaling group "${name}"${didYouMean(name, groups)}`,
            },
          ],
    ),
    ...(shadowName === undefined || /^[a-zA-Z0-9][\w-]{0,39}$/.test(shadowName)
      ? []
      : [
          { path: "shadowName", reason: `"${shadowName}" must be at most 40 letters, digits, hyphens and underscores` },
        ]),
    ...buckets.flatMap((bucket, index) =>
      /^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$/.test(bucket)
        ? []
        : [{ path: `buckets[${index}]`, reason: `"${bucket}" is no name of a bucket; patterns are not allowed` }],
    ),
    ...Object.keys(tags).flatMap((key) =>
      /^(aws|shadownet):/i.test(key)
        ? [{ path: `tags.${key}`, reason: "tags that start so are not the user's to set" }]
        : [],
    ),
  ];
}

function rangeProblems(topology: Topology, settings: AwsCheckedSettings): Problem[] {
  const cidr = settings.applianceCidr ?? defaultApplianceCidr;
  const quota = settings.rangeQuota ?? defaultRangeQuota;
  const ranges = topology.networks.flatMap(({ cidrs }) => cidrs.filter((range) => !range.includes(":")));
  const needed = ranges.length + 1;
  const isQuota = Number.isInteger(quota) && quota >= 1 && quota <= largestRangeQuota;
  return [
    ...ranges.flatMap((range) => sizeOfRange(topology, range)),
    ...applianceProblems(cidr, topology).map((problem) => withFree(problem, topology)),
    ...(isQuota
      ? []
      : [{ path: "rangeQuota", reason: `${quota} is not a whole number from 1 to ${largestRangeQuota}` }]),
    ...(isQuota && needed > quota
      ? [
          {
            path: "rangeQuota",
            reason: `the shadow needs ${needed} IPv4 ranges and the account's quota is ${quota}; have "IPv4 CIDR blocks per VPC" raised and say \`rangeQuota: ${needed}\``,
          },
        ]
      : []),
  ];
}

function sizeOfRange(topology: Topology, range: string): Problem[] {
  const length = Number(range.split("/")[1]);
  if (length >= 16 && length <= 28) return [];
  const index = topology.networks[0]!.cidrs.indexOf(range);
  return [{ path: `topology.networks[0].cidrs[${index}]`, reason: `"${range}" is no range of a VPC: from /16 to /28` }];
}

/** Names a free part of the appliances' range to whoever has none. */
function withFree(problem: Problem, topology: Topology): Problem {
  if (!problem.reason.includes("overlaps")) return problem;
  const taken = topology.networks.flatMap(({ cidrs }) => cidrs);
  const free = Array.from({ length: 64 }, (_, index) => `100.${64 + index}.0.0/20`).find((candidate) =>
    taken.every((range) => !cidrsOverlap(range, candidate)),
  );
  const cure = free === undefined ? "none of it is free" : `for example ${free}`;
  return { ...problem, reason: `${problem.reason}, ${cure}` };
}

/** What can only be seen when the shadow has been thought through. */
function plannedProblems(topology: Topology, settings: AwsNetworkSettings): Problem[] {
  const isLaidOut = applianceProblems(settings.applianceCidr ?? defaultApplianceCidr, topology).length === 0;
  const usable = isLaidOut ? settings : { ...settings, applianceCidr: defaultApplianceCidr };
  try {
    const plan = planAwsNetwork(topology, usable);
    return [...plan.problems, ...sameNames(plan)];
  } catch (error) {
    if (error instanceof RangeError) return [{ path: "scale", reason: error.message }];
    throw error;
  }
}

/** Names with slashes in them can make two parts of the shadow one. */
function sameNames(plan: AwsNetworkPlan): Problem[] {
  const keys = (list: readonly { key: string }[]): string[] => list.map(({ key }) => key);
  const kinds: [string, string[]][] = [
    ["routeTables", keys(plan.routeTables)],
    ["securityGroups", plan.securityGroups.flatMap(({ rules }) => keys(rules))],
    ["loadBalancers", plan.balancers.flatMap(({ targetGroups }) => keys(targetGroups))],
    ["machines", plan.machines.flatMap(({ interfaces }) => interfaces.map(({ link }) => link))],
  ];
  return kinds.flatMap(([kind, all]) =>
    [...new Set(all.filter((key, index) => all.indexOf(key) !== index))].map((key) => ({
      path: `topology.${kind}`,
      reason: `two parts of the shadow would be called "${key}"; rename one`,
    })),
  );
}
