import { DescribeNetworkAclsCommand, DescribeInstancesCommand, type EC2Client } from "@aws-sdk/client-ec2";
import type { Experiment } from "@aws-sdk/client-fis";
import type { SSMClient } from "@aws-sdk/client-ssm";

import { countersFromOtherEnd } from "../../runtime/faults/directions";
import type { FaultPlan } from "../../runtime/faults/plan";
import { runOnInstances } from "./commands";
import type { AwsShadowRecord } from "./recordFormat";

const readSeconds = 8;

/** Prints the counters of a fault from the scripts that its document keeps on the machine; one that is over has none. */
function counterLines(folder: string): string[] {
  return [
    `for FOLDER in /run/shadownet/documents/'${folder}'*; do`,
    `  SCRIPT=$FOLDER/legacy.sh`,
    `  { [ -e /sys/fs/cgroup/cgroup.controllers ] || [ ! -e "$SCRIPT" ]; } && SCRIPT=$FOLDER/unified.sh`,
    `  [ ! -e "$SCRIPT" ] || sh "$SCRIPT" effect`,
    "done",
  ];
}

/**
 * The counters that prove a fault, summed over all that it hits: for what a document does, the kernel's own on the
 * machines; for FIS's own actions, what EC2 says of instances, of ACLs that FIS has put in, and what FIS says of volumes.
 */
export async function readCounters(
  { ec2, ssm }: { ec2: EC2Client; ssm: SSMClient },
  record: AwsShadowRecord,
  plan: FaultPlan,
  experiment: Experiment,
  folder: string,
): Promise<Record<string, number>> {
  const actions = Object.values(experiment.actions ?? {}).map(({ actionId }) => actionId ?? "");
  const machines = plan.touches.machines.flatMap((name) => record.shadow.machineIds[name] ?? []);
  if (actions.includes("aws:ssm:send-command")) {
    return seenFromTarget(plan, await documentCounters(ssm, machines, folder));
  }
  if (actions.some((action) => action.startsWith("aws:ec2:"))) return { killed: await stoppedCount(ec2, machines) };
  if (actions.some((action) => action.startsWith("aws:network:"))) return { down: await swappedCount(ec2, record) };
  const running = Object.values(experiment.actions ?? {}).filter(({ state }) => state?.status === "running");
  return { limited: running.length };
}

/** Counters as the target sees its directions: documents count on machines, where a subnet's router is the other end. */
export function seenFromTarget({ touches }: FaultPlan, counters: Record<string, number>): Record<string, number> {
  const ofSubnets = touches.links.length > 0 && touches.links.every((link) => !link.includes("/"));
  return ofSubnets ? countersFromOtherEnd(counters) : counters;
}

async function documentCounters(
  ssm: SSMClient,
  instances: readonly string[],
  folder: string,
): Promise<Record<string, number>> {
  const results = await runOnInstances(ssm, instances, counterLines(folder), readSeconds);
  const sum: Record<string, number> = {};
  for (const { stdout } of results) {
    for (const [name, value] of Object.entries(countersIn(stdout))) sum[name] = (sum[name] ?? 0) + value;
  }
  return sum;
}

/** The counters in the last JSON line that carries them. */
export function countersIn(stdout: string): Record<string, number> {
  for (const line of stdout.trim().split("\n").reverse()) {
    if (!line.startsWith("{")) continue;
    const { counters } = JSON.parse(line) as { counters?: Record<string, number> };
    if (counters !== undefined) return counters;
  }
  return {};
}

async function stoppedCount(ec2: EC2Client, instances: string[]): Promise<number> {
  if (instances.length === 0) return 0;
  const { Reservations = [] } = await ec2.send(new DescribeInstancesCommand({ InstanceIds: instances }));
  const states = Reservations.flatMap(({ Instances = [] }) => Instances.map(({ State }) => State?.Name));
  return states.filter((state) => state === "stopped" || state === "stopping" || state === "terminated").length;
}

async function swappedCount(ec2: EC2Client, { shadow }: AwsShadowRecord): Promise<number> {
  const Filters = [
    { Name: "vpc-id", Values: [shadow.vpcId] },
    { Name: "tag:managedByFIS", Values: ["true"] },
  ];
  const { NetworkAcls = [] } = await ec2.send(new DescribeNetworkAclsCommand({ Filters }));
  return NetworkAcls.reduce((sum, { Associations = [] }) => sum + Associations.length, 0);
}
