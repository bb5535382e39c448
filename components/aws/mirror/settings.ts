import { z } from "zod";

import type { Problem } from "../../internal/problems";
import type { MirrorSettings } from "../../mirror";
import { portRangeProblem } from "../../validation/portRanges";
import { shapeProblems } from "../../validation/shape";

/** Where production's mirror sends its copies. */
export const AwsMirrorTargetMode = {
  /** To a Gateway Load Balancer endpoint in production: no route between the two networks, equal ranges are fine. */
  GatewayLoadBalancer: "gatewayLoadBalancer",
  /** To a gateway's interface: for tests in which production can reach the shadow's appliances. */
  NetworkInterface: "networkInterface",
} as const;
export type AwsMirrorTargetMode = (typeof AwsMirrorTargetMode)[keyof typeof AwsMirrorTargetMode];

/** What a mirror on AWS can be told beside the share and the selectors. */
export interface AwsMirrorSettings extends MirrorSettings {
  /** Machines whose interfaces are copied, names or patterns. Defaults to those behind the edge services. */
  sources?: string[];
  /** Copy services whose bytes are TLS where they are copied, though they cannot be replayed. Defaults to false. */
  allowEncrypted?: boolean;
  /** Leave out sources that AWS cannot copy, as long as others remain. Defaults to false: they are refused by name. */
  allowUncovered?: boolean;
  /** Instance types or families that AWS can copy although this version does not know it. Defaults to none. */
  mirrorableTypes?: string[];
  /** Take packets before mirror sessions that others have on the same interfaces. Defaults to false: after them. */
  takeFromOthers?: boolean;
  /** Copy only a range of client ports where `percent` is small, so that less is copied at all. Defaults to false. */
  preThin?: boolean;
  /** Ports that clients use, for `preThin`. Defaults to `1024-65535`, which is what load balancers use. */
  clientPorts?: string;
  /** Where the copies go. Defaults to gatewayLoadBalancer. */
  targetMode?: AwsMirrorTargetMode;
  /** Gateways in each zone; with more than one the shadow sees the gateways' addresses. Defaults to 1. */
  gatewaysPerZone?: number;
  /** Instance type of the gateways. Defaults to `c6i.large`. */
  gatewayInstanceType?: string;
  /** Account of production. Defaults to where the topology was captured. */
  productionAccountId?: string;
  /** Names of the production subnets for the load balancer's endpoints, by zone id. Defaults to the first source's. */
  endpointSubnets?: Record<string, string>;
  /** A shadow response that has not ended after this is a timeout. Defaults to 10. */
  responseTimeoutSeconds?: number;
}

/** Fields of {@link AwsMirrorSettings} that every back end has; they are checked by the vocabulary. */
export const commonFields = [
  "percent",
  "seed",
  "sampleBy",
  "include",
  "exclude",
  "maxMegabitsPerSecond",
] as const satisfies (keyof MirrorSettings)[];

const shape = z.strictObject({
  sources: z.array(z.string().min(1)).min(1).optional(),
  allowEncrypted: z.boolean().optional(),
  allowUncovered: z.boolean().optional(),
  mirrorableTypes: z.array(z.string().min(1)).optional(),
  takeFromOthers: z.boolean().optional(),
  preThin: z.boolean().optional(),
  clientPorts: z.string().optional(),
  targetMode: z.enum(AwsMirrorTargetMode).optional(),
  gatewaysPerZone: z.int().min(1).max(20).optional(),
  gatewayInstanceType: z.string().min(1).optional(),
  productionAccountId: z.string().optional(),
  endpointSubnets: z.record(z.string(), z.string()).optional(),
  responseTimeoutSeconds: z.number().positive().max(3600).optional(),
});

/** What is wrong with the settings that AWS alone has, without looking at the topology. */
export function ownSettingsProblems(settings: AwsMirrorSettings): Problem[] {
  const common = new Set<string>(commonFields);
  const own = Object.fromEntries(Object.entries(settings).filter(([key]) => !common.has(key)));
  const problems = shapeProblems(shape, own);
  if (problems.length > 0) return problems;
  problems.push(...portRangeProblem("clientPorts", settings.clientPorts));
  const { productionAccountId, gatewayInstanceType, gatewaysPerZone = 1, targetMode, sampleBy } = settings;
  if (productionAccountId !== undefined && !/^\d{12}$/.test(productionAccountId)) {
    problems.push({
      path: "productionAccountId",
      reason: `"${productionAccountId}" is not an account id of 12 digits`,
    });
  }
  if (gatewayInstanceType !== undefined && instanceArchitecture(gatewayInstanceType) === undefined) {
    problems.push({ path: "gatewayInstanceType", reason: `"${gatewayInstanceType}" is no type such as c6i.large` });
  }
  if (targetMode === AwsMirrorTargetMode.NetworkInterface && gatewaysPerZone > 1) {
    problems.push({
      path: "gatewaysPerZone",
      reason: "a network interface is one gateway's; leave it out, or use gatewayLoadBalancer",
    });
  }
  if (sampleBy === "header") {
    problems.push({
      path: "sampleBy",
      reason: "header is not possible: gateways decide on a flow's first packet; allowed: flow, client",
    });
  }
  return problems;
}

/** Processor architecture of an instance type, as Node's packages call it; undefined when the text is no type. */
export function instanceArchitecture(type: string): "x64" | "arm64" | undefined {
  const match = /^([a-z]+)(\d+)([a-z-]*)\.[a-z0-9-]+$/.exec(type);
  if (match === null) return undefined;
  const [, family = "", , traits = ""] = match;
  return family === "a" || traits.startsWith("g") ? "arm64" : "x64";
}
