import type { StackResource } from "../support/policyStack";

/** One change of the compliant stack that breaks a rule. */
export interface PolicyCase {
  /** The rule that must say so; a change may break others too, which are named in `also`. */
  rule: string;
  title: string;
  /** Inputs of a resource that are set; undefined removes one. */
  set?: { name: string; props?: Record<string, unknown>; from?: Record<string, string[]>; components?: string[] };
  remove?: string;
  add?: StackResource;
  config?: Record<string, unknown>;
  /** Resource and property that the message names. */
  expect: { resource: string; property: string };
  also?: string[];
}
