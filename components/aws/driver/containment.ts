import type { EC2Client } from "@aws-sdk/client-ec2";
import type { SSMClient } from "@aws-sdk/client-ssm";

import type { ContainmentFinding } from "../../runtime/runner/driver";
import { runOnInstances } from "./commands";
import type { AwsShadowRecord } from "./recordFormat";
import { structureFindings } from "./structure";

/**
 * What a machine tries to reach. The documentation ranges stand for the internet; the resolver must not give names of
 * the outside; nothing behind production's own addresses can be told apart, as they are the shadow's too.
 */
const addresses = ["198.51.100.7", "203.0.113.7"];
const name = "example.com";
const probeSeconds = 20;

/**
 * Prints a line `ATTEMPT|reached` or `ATTEMPT|no` for each attempt; it needs no program beside a shell and coreutils
 * for TCP, and says `missing` where a program is not there to try with.
 */
export const probeLines: readonly string[] = [
  'say() { printf \'%s|%s\\n\' "$1" "$2"; }',
  'try() { WHAT=$1; shift; if "$@" >/dev/null 2>&1; then say "$WHAT" reached; else say "$WHAT" no; fi; }',
  "command -v bash >/dev/null 2>&1 || say tcp missing",
  ...addresses.flatMap((address) => [
    ...[80, 443].map(
      (port) => `try 'tcp ${address} port ${port}' timeout 2 bash -c 'exec 3<>/dev/tcp/${address}/${port}'`,
    ),
    `if command -v ping >/dev/null 2>&1; then try 'icmp ${address}' ping -n -c 1 -W 2 ${address}; else say 'icmp ${address}' missing; fi`,
  ]),
  `if command -v getent >/dev/null 2>&1; then try 'name ${name}' timeout 5 getent ahostsv4 ${name}; else say 'name ${name}' missing; fi`,
];

/** Tries to leave the shadow from one machine of every subnet, and looks at what AWS knows of its VPC. */
export async function probeAwsContainment(
  { ec2, ssm }: { ec2: EC2Client; ssm: SSMClient },
  record: AwsShadowRecord,
): Promise<ContainmentFinding[]> {
  const chosen = onePerSubnet(record);
  const ids = chosen.map(({ instanceId }) => instanceId);
  const [structure, results] = await Promise.all([
    structureFindings(ec2, record.shadow.vpcId),
    runOnInstances(ssm, ids, probeLines, probeSeconds),
  ]);
  const tried = chosen.flatMap(({ machine, instanceId }) => {
    const result = results.find((one) => one.instanceId === instanceId);
    if (result?.exitCode === 0) return findingsIn(machine, result.stdout);
    const detail = `the probe itself failed: ${result?.stderr.trim().split("\n")[0] ?? "no result"}`;
    return [{ from: machine, attempt: "probe", reached: true, detail }];
  });
  return [...structure, ...tried];
}

/** What a probe's lines say; a probe that says nothing has shown nothing. */
export function findingsIn(machine: string, stdout: string): ContainmentFinding[] {
  const lines = stdout.split("\n").filter((line) => line.includes("|"));
  if (lines.length === 0)
    return [{ from: machine, attempt: "probe", reached: true, detail: "the probe gave no result" }];
  return lines.map((line) => {
    const [attempt = "", outcome = ""] = line.split("|");
    const detail =
      outcome === "reached" ? "it answered" : outcome === "missing" ? "no program to try it with" : "no answer";
    return { from: machine, attempt, reached: outcome === "reached", detail };
  });
}

function onePerSubnet({ topology, shadow }: AwsShadowRecord): { machine: string; instanceId: string }[] {
  const bySubnet = new Map<string, string>();
  for (const { name: machine, interfaces, aws } of topology.machines) {
    if (aws?.platform === "windows" || shadow.machineIds[machine] === undefined) continue;
    const subnet = interfaces[0]?.subnet;
    if (subnet !== undefined && !bySubnet.has(subnet)) bySubnet.set(subnet, machine);
  }
  return [...new Set(bySubnet.values())].map((machine) => ({ machine, instanceId: shadow.machineIds[machine]! }));
}
