import type { PolicyResource } from "@pulumi/policy";

import { cidrContains, parseCidr } from "../components/internal/cidr";
import type { Props } from "./rule";

/** A list property, an empty one when it is missing. */
export function list(value: unknown): unknown[] {
  if (value === undefined || value === null) return [];
  return Array.isArray(value) ? Array.from(value as unknown[]) : [value];
}

/** A list of objects. */
export function objects(value: unknown): Props[] {
  return list(value).filter((item): item is Props => typeof item === "object" && item !== null);
}

/** A list of texts. */
export function texts(value: unknown): string[] {
  return list(value).filter((item): item is string => typeof item === "string");
}

/** Whether a property was given. */
export function isGiven(value: unknown): boolean {
  return value !== undefined && value !== null && value !== "" && !(Array.isArray(value) && value.length === 0);
}

/**
 * A property, or a text that stands for it where a preview does not know it yet. So an unknown one counts as given, and
 * where it comes from can be judged by what it depends on.
 */
export function known(props: Props, property: string): unknown {
  try {
    return props[property];
  } catch (error) {
    if (!isUnknownValue(error)) throw error;
    return unknownText;
  }
}

/** Stands for a value that a preview does not know. */
export const unknownText = "known only to the update";

/** Whether an error says that a preview does not know a value yet. */
export function isUnknownValue(error: unknown): error is Error {
  return (
    error instanceof Error && /can't be known during preview|UnknownValueError/.test(`${error.name} ${error.message}`)
  );
}

/** Short text of a value for a message, also of one that a preview knows only in part. */
export function shown(value: unknown): string {
  let text: string;
  try {
    text = typeof value === "string" ? `"${value}"` : JSON.stringify(value);
  } catch {
    return "a value that only the update knows";
  }
  return text.length > 120 ? `${text.slice(0, 117)}…` : text;
}

/** Whether the range lies in one of the others; a broken range does not. */
export function isInside(range: string, ranges: readonly string[]): boolean {
  const inner = parseCidr(range);
  return inner !== undefined && ranges.some((outer) => parseCidr(outer) !== undefined && cidrContains(outer, range));
}

/** Ranges of the shadow's VPCs in a stack. */
export function shadowRanges(shadow: readonly PolicyResource[]): string[] {
  return shadow.flatMap(({ type, props }) =>
    type === "aws:ec2/vpc:Vpc" || type === "aws:ec2/vpcIpv4CidrBlockAssociation:VpcIpv4CidrBlockAssociation"
      ? texts(props.cidrBlock)
      : [],
  );
}
