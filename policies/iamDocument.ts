import type { Props } from "./rule";
import { list, texts } from "./values";

/** One statement of an IAM document with lists where the format allows single values. */
export interface Statement {
  effect: string;
  actions: string[];
  notActions: string[];
  resources: string[];
  /** Principals by kind, `AWS`, `Service`, `Federated`; `*` alone stands under `AWS`. */
  principals: Record<string, string[]>;
  conditions: Record<string, Record<string, string[]>>;
}

/** The statements of an IAM document given as JSON or as an object; undefined when it is neither. */
export function statementsOf(document: unknown): Statement[] | undefined {
  const parsed = typeof document === "string" ? parse(document) : document;
  if (typeof parsed !== "object" || parsed === null) return undefined;
  return list((parsed as Props).Statement).map((statement) => normalised(statement as Props));
}

function parse(text: string): unknown {
  try {
    return JSON.parse(text);
  } catch {
    return undefined;
  }
}

function normalised(statement: Props): Statement {
  const principal = statement.Principal as Props | string | undefined;
  const principals =
    typeof principal === "string"
      ? { AWS: [principal] }
      : Object.fromEntries(Object.entries(principal ?? {}).map(([kind, value]) => [kind, texts(value)]));
  const conditions = Object.entries((statement.Condition ?? {}) as Record<string, Props>).map(([operator, keys]) => [
    operator,
    Object.fromEntries(Object.entries(keys).map(([key, value]) => [key, list(value).map(String)])),
  ]);
  return {
    effect: String(statement.Effect),
    actions: texts(statement.Action),
    notActions: texts(statement.NotAction),
    resources: texts(statement.Resource),
    principals,
    conditions: Object.fromEntries(conditions) as Statement["conditions"],
  };
}

/** Condition keys of a statement in lower case, whatever the operator, except for those that only ask whether a key exists. */
export function conditionKeys({ conditions }: Statement): string[] {
  return Object.entries(conditions).flatMap(([operator, keys]) =>
    operator.toLowerCase() === "null" ? [] : Object.keys(keys).map((key) => key.toLowerCase()),
  );
}
