import * as pulumi from "@pulumi/pulumi";
import type { MockResourceArgs } from "@pulumi/pulumi/runtime";

/** A resource as a program registered it. */
export interface RecordedResource {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/**
 * Every resource that a program registers with the recording stand-in of the engine. Ids and ARNs are made up from the
 * names; a call for data is an error.
 */
export async function recordResources(program: () => unknown): Promise<RecordedResource[]> {
  const recorded: RecordedResource[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }: MockResourceArgs) => {
        const given = inputs as Record<string, unknown>;
        recorded.push({ type, name, inputs: given });
        return { id: `${name}-id`, state: { arn: arnFor(type, name), name, ...given } };
      },
      call: ({ token }) => {
        throw new Error(`unexpected call of ${token}`);
      },
    },
    "project",
    "dev",
  );
  program();
  await pulumi.runtime.disconnect();
  return recorded;
}

/** ARNs in the form that AWS gives them, where something looks at it. */
const arnParts: Record<string, string> = {
  "aws:cloudwatch/metricAlarm:MetricAlarm": "cloudwatch:eu-central-1:222233334444:alarm:",
  "aws:cloudwatch/logGroup:LogGroup": "logs:eu-central-1:222233334444:log-group:",
  "aws:iam/role:Role": "iam::222233334444:role/",
  "aws:sfn/stateMachine:StateMachine": "states:eu-central-1:222233334444:stateMachine:",
  "aws:sns/topic:Topic": "sns:eu-central-1:222233334444:",
  "aws:ssm/document:Document": "ssm:eu-central-1:222233334444:document/",
};

function arnFor(type: string, name: string): string {
  const [, service = "", resource = ""] = /^aws:([^/:]+)\/[^:]+:(\w+)$/.exec(type) ?? [];
  return `arn:aws:${arnParts[type] ?? `${service}:eu-central-1:222233334444:${resource.toLowerCase()}/`}${name}`;
}
