import type { PolicyResource, ReportViolation, ResourceValidationArgs, StackValidationArgs } from "@pulumi/policy";

import { type NamedRule, policiesOf } from "../../policies/pack";
import { shadowTag } from "../../components/aws/shadow";

/** One resource of a stack in a test: what the engine would tell a policy of it. */
export interface StackResource {
  type: string;
  name: string;
  props: Record<string, unknown>;
  /** Components above it, outermost first. Defaults to a shadow on AWS. */
  components?: string[];
  /** Property to the names of the resources that it comes from. Defaults to none. */
  from?: Record<string, string[]>;
}

/** A violation as the engine would show it. */
export interface Violation {
  policy: string;
  message: string;
  resource: string;
}

/** Tags of a part of a shadow. */
export const shadowTags = { [shadowTag]: "shop" };

function urnOf({ type, name, components = ["shadownet:index:AwsShadowEnvironment"] }: StackResource): string {
  return `urn:pulumi:dev::test::${[...components, type].join("$")}::${name}`;
}

const options = {
  protect: false,
  ignoreChanges: [],
  aliases: [],
  customTimeouts: { createSeconds: 0, updateSeconds: 0, deleteSeconds: 0 },
  additionalSecretOutputs: [],
};

function asPolicyResources(stack: readonly StackResource[]): PolicyResource[] {
  const provider = { type: "pulumi:providers:aws", props: {}, urn: "urn:provider", name: "default" };
  const made = stack.map((resource): PolicyResource => ({
    type: resource.type,
    name: resource.name,
    props: resource.props,
    urn: urnOf(resource),
    opts: options,
    dependencies: [],
    propertyDependencies: {},
    ...(resource.type.startsWith("shadownet:") ? {} : { provider }),
    isType: () => false,
    asType: () => undefined,
  }));
  const byName = new Map(made.map((resource) => [resource.name, resource]));
  for (const [index, { from = {} }] of stack.entries()) {
    for (const [property, names] of Object.entries(from)) {
      made[index]!.propertyDependencies[property] = names.map((name) => byName.get(name)!);
    }
  }
  return made;
}

/** Runs the policies of these rules over a stack, as the engine does: each resource alone, then the whole. */
export async function violations(
  rules: readonly NamedRule[],
  stack: readonly StackResource[],
  config: Record<string, Record<string, unknown>> = {},
): Promise<Violation[]> {
  const found: Violation[] = [];
  const resources = asPolicyResources(stack);
  for (const policy of policiesOf(rules)) {
    const report =
      (resource: string): ReportViolation =>
      (message, urn) =>
        found.push({ policy: policy.name, message, resource: urn?.split("::").at(-1) ?? resource });
    const common = {
      stackTags: new Map<string, string>(),
      // The SDK has the caller name the type of what it gets.
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-type-parameters
      getConfig: <T extends object>(): T => (config[policy.name] ?? {}) as T,
      notApplicable: (): never => {
        throw new Error("not applicable");
      },
    };
    if ("validateResource" in policy && typeof policy.validateResource === "function") {
      for (const { type, props, urn, name, opts } of resources) {
        const args: ResourceValidationArgs = {
          ...common,
          type,
          props,
          urn,
          name,
          opts,
          isType: () => false,
          asType: () => undefined,
        };
        await policy.validateResource(args, report(name));
      }
    }
    if ("validateStack" in policy) {
      const args: StackValidationArgs = { ...common, resources };
      await policy.validateStack(args, report("the stack"));
    }
  }
  return found;
}
