/** Marks of the resource-provider protocol for values that are more than JSON. */
const signature = "4dabf18193072939515e22adb298388d";
const secretMark = "1b47061264138c4ac30d75fd1eb44270";
const outputMark = "d0e6a833031e9bbcd3f4e8bde6ca49a4";

/** Stands for a value that a preview does not know yet. */
export const unknown = "04da6b54-80e4-46f7-96ec-b56ff0331ba9";

/** A JSON object. */
export type Properties = Record<string, unknown>;

/** How a property differs. */
export interface PropertyDifference {
  /** `workload.command[1]`. */
  path: string;
  kind: "add" | "delete" | "update";
}

function isObject(value: unknown): value is Properties {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

/** The value without its secret and output wrappers; unknown values stay {@link unknown}. */
export function plain(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(plain);
  if (!isObject(value)) return value;
  if (value[signature] === secretMark) return plain(value.value);
  if (value[signature] === outputMark) return plain(value.value ?? unknown);
  return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, plain(inner)]));
}

/** Whether two JSON values are equal; the order of keys does not matter, and an undefined field is none. */
export function equal(a: unknown, b: unknown): boolean {
  return JSON.stringify(sorted(a)) === JSON.stringify(sorted(b));
}

function sorted(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(sorted);
  if (!isObject(value)) return value;
  const keys = Object.keys(value).sort();
  return Object.fromEntries(keys.map((key) => [key, sorted(value[key])]));
}

/** Every property that differs, by path, as deep as objects and lists go. */
export function differences(old: unknown, now: unknown, path = ""): PropertyDifference[] {
  if (equal(old, now)) return [];
  if (path === "" || (isObject(old) && isObject(now))) {
    const [before, after] = [old, now].map((value) => (isObject(value) ? value : {})) as [Properties, Properties];
    const keys = [...new Set([...Object.keys(before), ...Object.keys(after)])];
    return keys.flatMap((key) => differences(before[key], after[key], path === "" ? key : `${path}.${key}`));
  }
  if (Array.isArray(old) && Array.isArray(now)) {
    const length = Math.max(old.length, now.length);
    return Array.from({ length }, (_, index) => differences(old[index], now[index], `${path}[${index}]`)).flat();
  }
  return [{ path, kind: old === undefined ? "add" : now === undefined ? "delete" : "update" }];
}

/** The top-level property that a path begins with. */
export function topLevel(path: string): string {
  return path.split(/[.[]/)[0]!;
}

/** Whether the path is one of the ignored ones or lies within it. */
export function isIgnored(path: string, ignored: readonly string[]): boolean {
  return ignored.some((one) => path === one || path.startsWith(`${one}.`) || path.startsWith(`${one}[`));
}
