import type { PolicyConfigSchema, PolicyResource } from "@pulumi/policy";

/** One thing that is wrong with a resource. */
export interface Finding {
  /** Path of the property, or `type` when the resource may not exist at all. */
  property: string;
  /** What the property has; left out when it is missing. */
  value?: unknown;
  /** Why that is no good, in a clause without a capital and a full stop. */
  reason: string;
  /** What to do instead. */
  cure: string;
}

/** Inputs of a resource, as the engine hands them over; what a preview does not know yet throws when it is read. */
export type Props = Record<string, unknown>;

/** What a check is told beside the inputs. */
export interface CheckContext {
  type: string;
  /** The rule's configuration, with its defaults. */
  config: Record<string, unknown>;
}

/**
 * One check of one resource. A rule has one for each property that may be unknown in a preview, so that an unknown one
 * keeps no other from being checked.
 */
export type ResourceCheck = (props: Props, context: CheckContext) => Finding[];

/** A finding at one of the stack's resources. */
export interface StackFinding extends Finding {
  resource: PolicyResource;
}

/** What a rule on the whole stack sees. */
export interface ShadowStack {
  resources: readonly PolicyResource[];
  /** Those that belong to a shadow, production's side left out. */
  shadow: readonly PolicyResource[];
  config: Record<string, unknown>;
}

/** A rule of a pack: its id is its folder and its file's name. */
export interface Rule {
  /** What it asks for, one sentence: the docs' table shows it. */
  description: string;
  /** Which resources it is about: `any` = wherever they stand. Defaults to those of the shadow. */
  side?: "shadow" | "production" | "both" | "any";
  /** Settings that a user can give in the policy configuration. Defaults to none. */
  config?: PolicyConfigSchema;
  /** Types that the checks are for; every type where it is left out. */
  types?: readonly string[];
  /** Checks of single resources. */
  checks?: readonly ResourceCheck[];
  /** Check of the stack as a whole, for what a resource alone does not show. */
  checkStack?: (stack: ShadowStack) => StackFinding[];
}

/** A rule that lets no resource of these types be part of a shadow. */
export function forbidTypes(description: string, reason: string, cure: string, types: readonly string[]): Rule {
  return {
    description,
    side: "both",
    types,
    checks: [(_, { type }) => [{ property: "type", value: type, reason, cure }]],
  };
}
