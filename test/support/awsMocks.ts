import * as pulumi from "@pulumi/pulumi";
import type { MockCallArgs, MockResourceArgs } from "@pulumi/pulumi/runtime";

import type { Topology } from "../../components/topology";
import type { StackResource } from "./policyStack";

/** A resource as it reached the recording stand-in of the engine. */
export interface RecordedResource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
  provider: string;
}

/** Account that the stand-in says the shadow's provider works in. */
export const shadowAccount = "444455556666";

/**
 * Registers what a program makes and gives all of it back: Pulumi's own mocks, not AWS. Every id is the name with `-id`;
 * the only questions that have an answer are who is asking and which interface a database has.
 */
export async function recordResources(program: () => unknown, account = shadowAccount): Promise<RecordedResource[]> {
  const recorded: RecordedResource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs, provider }: MockResourceArgs) => {
        recorded.push({ type, name, inputs: inputs as Record<string, unknown>, provider: provider ?? "" });
        return { id: `${name}-id`, state: { ...inputs, ...computed(name) } as Record<string, unknown> };
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

/** What AWS would say of anything that was made. */
function computed(name: string): Record<string, unknown> {
  return {
    arn: `arn:aws:mock:::${name}`,
    arnSuffix: `app/${name}/0`,
    dnsName: `${name}.mock.amazonaws.com`,
    zoneId: "ZMOCK",
    prefixListId: `pl-${name}`,
    availabilityZone: "eu-central-1x",
    latestVersion: 1,
  };
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
  for (const { name, inputs } of recorded) {
    for (const value of [`${name}-id`, inputs.name, ...Object.values(computed(name))]) {
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
