import { z } from "zod";

import { type Problem, didYouMean } from "../internal/problems";

/** What is wrong with the form of a value: unknown fields, missing ones, wrong types; each with its path. */
export function shapeProblems(shape: z.ZodType, value: unknown): Problem[] {
  const result = shape.safeParse(value, { error: describe, reportInput: true });
  return result.success ? [] : result.error.issues.flatMap(problemsOf);
}

/** A text of one form; `what` says which, for example `an absolute path`. */
export function formed(pattern: RegExp, what: string): z.ZodString {
  return z.string().regex(pattern, { error: ({ input }) => `${describeValue(input)} is not ${what}` });
}

/** `machines[3].interfaces[0].subnet` for a list of keys. */
export function pathText(path: readonly PropertyKey[]): string {
  return path.reduce<string>((text, key) => {
    if (typeof key === "number") return `${text}[${key}]`;
    return text === "" ? String(key) : `${text}.${String(key)}`;
  }, "");
}

function problemsOf(issue: z.core.$ZodIssue): Problem[] {
  if (issue.code !== "unrecognized_keys") return [{ path: pathText(issue.path) || ".", reason: issue.message }];
  const cures = issue.message.split("\n");
  return issue.keys.map((key, index) => ({ path: pathText([...issue.path, key]), reason: cures[index] ?? "" }));
}

function describe(issue: z.core.$ZodRawIssue): string {
  const given = describeValue(issue.input);
  switch (issue.code) {
    case "invalid_type":
      return issue.input === undefined
        ? `missing; give ${article(issue.expected)}`
        : `${given} is not ${article(issue.expected)}`;
    case "unrecognized_keys":
      return issue.keys.map((key) => unknownField(key, issue.inst)).join("\n");
    case "invalid_value":
      return unknownValue(issue.input, issue.values);
    case "too_small":
      return describeSmall(given, Number(issue.minimum), issue.origin, issue.inclusive !== false);
    case "too_big":
      return `${given} is too large; at most ${String(issue.maximum)}`;
    default:
      return `${given} is not allowed here`;
  }
}

function unknownField(key: string, shape: unknown): string {
  const known = shape instanceof z.ZodObject ? Object.keys(shape.shape) : [];
  return `unknown field${didYouMean(key, known)}`;
}

function unknownValue(input: unknown, values: readonly unknown[]): string {
  const allowed = values.map(String);
  const cure = typeof input === "string" ? didYouMean(input, allowed) : "";
  const given = input === undefined ? "missing" : `${describeValue(input)} is not allowed`;
  return `${given}; allowed: ${allowed.join(", ")}${cure}`;
}

function describeSmall(given: string, minimum: number, origin: string, inclusive: boolean): string {
  if (origin === "array") return `give at least ${minimum}`;
  if (origin === "string")
    return minimum === 1 ? "must not be empty" : `${given} is shorter than ${minimum} characters`;
  return `${given} is too small; ${inclusive ? "at least" : "more than"} ${minimum}`;
}

function article(expected: string): string {
  if (expected === "int") return "a whole number";
  if (expected === "boolean") return "true or false";
  if (expected === "array") return "a list";
  return expected === "object" || expected === "record" ? "an object" : `a ${expected}`;
}

/** A short rendering of a given value for messages. */
export function describeValue(value: unknown): string {
  if (typeof value === "number") return String(value);
  const text = JSON.stringify(value) as string | undefined;
  if (text === undefined) return String(value);
  return text.length > 60 ? `${text.slice(0, 57)}…` : text;
}
