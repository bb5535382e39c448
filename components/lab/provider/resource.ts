import type { Properties } from "./values";

/** One input property of a resource, for checks and for the plugin's schema. */
export interface Field {
  type: "string" | "number" | "boolean" | "array" | "object";
  /** What it means, in a sentence. */
  description: string;
  /** Defaults to false. */
  optional?: boolean;
}

/** A property that cannot be accepted, and why. */
export interface CheckFailure {
  property: string;
  reason: string;
}

/** What the engine says of the resource that is worked on. */
export interface ResourceContext {
  urn: string;
  /** Tells the user something, on the line of this resource. */
  log(severity: "debug" | "info" | "warning" | "error", message: string): void;
}

/** One type of resource. Inputs are plain JSON; outputs are the inputs and what `create` adds. */
export interface ResourceKind {
  /** What it is, in a sentence. */
  description: string;
  fields: Record<string, Field>;
  /** Properties whose change makes a new resource. */
  replaceOn: readonly string[];
  /** Completes inputs with defaults and says what is wrong with them beyond their types. */
  check?(inputs: Properties): { inputs?: Properties; failures?: CheckFailure[] };
  /** The id of the resource that these inputs make. */
  id(inputs: Properties): string;
  create(inputs: Properties, context: ResourceContext): Promise<void>;
  /** The inputs as they would have to be for what is there now; undefined when it is gone. */
  read(id: string, inputs: Properties): Promise<Properties | undefined>;
  update(old: Properties, inputs: Properties, context: ResourceContext): Promise<void>;
  /** Succeeds when it is gone or half-made. */
  delete(inputs: Properties): Promise<void>;
}

/** What is wrong with the types of inputs; values that a preview does not know yet pass. */
export function fieldFailures(kind: ResourceKind, inputs: Properties, unknown: string): CheckFailure[] {
  const missing = Object.entries(kind.fields).flatMap(([property, { type, optional }]) =>
    optional === true || inputs[property] !== undefined ? [] : [{ property, reason: `missing; give a ${type}` }],
  );
  const wrong = Object.entries(inputs).flatMap(([property, value]) => {
    const field = kind.fields[property];
    if (field === undefined) return [{ property, reason: "unknown property" }];
    if (value === undefined || value === unknown || typeOf(value) === field.type) return [];
    return [{ property, reason: `${JSON.stringify(value)} is not a ${field.type}` }];
  });
  return [...missing, ...wrong];
}

function typeOf(value: unknown): string {
  return Array.isArray(value) ? "array" : typeof value;
}
