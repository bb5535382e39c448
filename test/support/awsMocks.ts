import * as pulumi from "@pulumi/pulumi";
import type { MockCallArgs, MockResourceArgs } from "@pulumi/pulumi/runtime";

import type { Topology } from "../../components/topology";
import { shadowAccount } from "./awsShadow";
import type { StackResource } from "./policyStack";

/** A resource as it reached the recording stand-in of the engine. */
export interface RecordedResource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  provider: string;
}

/**
 * Registers what a program makes and gives all of it back: Pulumi's own mocks, not AWS. Ids, names and ARNs are made up
 * from the resources' names; the only questions that have an answer are who is asking, from `account`, and which
 * interface a database has.
 */
export async function recordResources(program: () => unknown, account = shadowAccount): Promise<RecordedResource[]> {
  const recorded: RecordedResource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider }: MockResourceArgs) => {
        const given = inputs as Record<string, unknown>;
        recorded.push({ type, name, inputs: given, provider: provider ?? "" });
        return { id: `${name}-id`, state: { name, ...given, ...computed(type, name, given) } };
      },
      call: (args: MockCallArgs) => answer(args, account),
    },
    "project",
    "dev",
  );
  program();
  await pulumi.runtime.disconnect();
  return recorded;
}

/** What AWS would say of anything that was made; policies look at the path in the ARN of a role. */
function computed(type: string, name: string, { path = "/" }: Record<string, unknown>): Record<string, unknown> {
  const named = type === "aws:iam/role:Role" ? `${String(path).slice(1)}${name}` : name;
  return {
    arn: arnOf(type, named),
    arnSuffix: `app/${name}/0`,
    dashboardArn: `arn:aws:cloudwatch::${shadowAccount}:dashboard/${name}`,
    dnsName: `${name}.mock.amazonaws.com`,
    zoneId: "ZMOCK",
    prefixListId: `pl-${name}`,
    availabilityZone: "eu-central-1x",
    latestVersion: 1,
  };
}

/** ARNs in the form that AWS gives them, where something looks at it. */
const arnParts: Record<string, string> = {
  "aws:cloudwatch/compositeAlarm:CompositeAlarm": `cloudwatch:eu-central-1:${shadowAccount}:alarm:`,
  "aws:cloudwatch/metricAlarm:MetricAlarm": `cloudwatch:eu-central-1:${shadowAccount}:alarm:`,
  "aws:cloudwatch/logGroup:LogGroup": `logs:eu-central-1:${shadowAccount}:log-group:`,
  "aws:iam/role:Role": `iam::${shadowAccount}:role/`,
  "aws:sfn/stateMachine:StateMachine": `states:eu-central-1:${shadowAccount}:stateMachine:`,
  "aws:sns/topic:Topic": `sns:eu-central-1:${shadowAccount}:`,
  "aws:ssm/document:Document": `ssm:eu-central-1:${shadowAccount}:document/`,
};

/** The ARN that a recorded resource gets. */
export function arnOf(type: string, name: string): string {
  const [, service = "", resource = ""] = /^aws:([^/:]+)\/[^:]+:(\w+)$/.exec(type) ?? [];
  return `arn:aws:${arnParts[type] ?? `${service}:eu-central-1:${shadowAccount}:${resource.toLowerCase()}/`}${name}`;
}

function answer({ token, inputs }: MockCallArgs, accountId: string): Record<string, unknown> {
  if (token === "aws:index/getCallerIdentity:getCallerIdentity") return { accountId };
  if (token === "aws:ec2/getNetworkInterface:getNetworkInterface")
    return { ...(inputs as Record<string, unknown>), privateIp: "10.20.10.200" };
  throw new Error(`unexpected call of ${token}`);
}

/**
 * What was recorded as a policy pack sees it: the properties, and from which resource each comes. That is read off the
 * values, which the stand-in makes from the names.
 */
export function asStack(recorded: readonly RecordedResource[], component: string): StackResource[] {
  const owners = new Map<string, string>();
  for (const { type, name, inputs } of recorded) {
    for (const value of [`${name}-id`, inputs.name ?? name, ...Object.values(computed(type, name, inputs))]) {
      if (typeof value === "string" && !shared.includes(value)) owners.set(value, name);
    }
  }
  return recorded
    .filter(({ type }) => type.startsWith("aws:"))
    .map(({ type, name, inputs }) => ({
      type,
      name,
      props: inputs,
      components: [component],
      from: Object.fromEntries(
        Object.entries(inputs).map(([property, value]) => [
          property,
          [...new Set(textsIn(value))].flatMap((text) => owners.get(text) ?? []),
        ]),
      ),
    }));
}

/** Outputs of the stand-in that all resources have alike. */
const shared = ["ZMOCK", "eu-central-1x"];

function textsIn(value: unknown): string[] {
  if (typeof value === "string") return [value];
  return typeof value === "object" && value !== null ? Object.values(value).flatMap(textsIn) : [];
}

/** Account that a topology was captured in. */
export function productionAccountOf({ source }: Topology): string {
  return source?.account ?? "";
}
