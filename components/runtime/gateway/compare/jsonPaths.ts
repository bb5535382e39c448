import { isUtf8 } from "node:buffer";
import { gunzipSync } from "node:zlib";

const maximumPaths = 200;
/** Stands for the paths beyond the most that are named. */
export const otherPaths = "(other)";
const maximumDepth = 64;
/** Marks the digits of an integer of which a double would not keep them all. */
const digitsMark = "\u0000";
const manyDigits = /\d{16}/;
const textOrNumber = /"(?:[^"\\]+|\\.)*"|-?\d[\d.eE+-]*/g;
const longInteger = /^-?\d{16,}$/;
/** Keys that stand in a path as they are. */
const plainKey = /^[^\s\p{C}.[\]()"$]+$/u;
const byteOrderMark = 0xfeff;
/** With this gzip begins, and no JSON. */
const gzipMagic = 0x1f8b;
const maximumInflatedBytes = 1_048_576;

/**
 * Paths of the fields in which two JSON texts differ, such as `items[].price`; positions in arrays are left out so that
 * the same field counts as one. The whole is `$`; keys with dots, brackets, quotes or spaces stand as `["a.b"]`. Empty
 * when only the writing differs (order of keys, spaces, `1` and `1.0`, compression); undefined when one of the texts is no JSON.
 */
export function differingPaths(a: Buffer, b: Buffer): string[] | undefined {
  let left: unknown;
  let right: unknown;
  try {
    left = parse(a);
    right = parse(b);
  } catch {
    return undefined;
  }
  const paths = new Set<string>();
  collect(left, right, "", paths, 0);
  return [...paths];
}

function parse(content: Buffer): unknown {
  const zipped = content.length > 1 && content.readUInt16BE(0) === gzipMagic;
  const bytes = zipped ? gunzipSync(content, { maxOutputLength: maximumInflatedBytes }) : content;
  const text = bytes.toString(isUtf8(bytes) ? "utf8" : "latin1");
  const json = text.charCodeAt(0) === byteOrderMark ? text.slice(1) : text;
  const value: unknown = JSON.parse(json);
  return manyDigits.test(json) ? JSON.parse(json.replace(textOrNumber, withAllDigits)) : value;
}

function withAllDigits(part: string): string {
  return longInteger.test(part) && !Number.isSafeInteger(Number(part)) ? JSON.stringify(digitsMark + part) : part;
}

function collect(a: unknown, b: unknown, path: string, paths: Set<string>, depth: number): void {
  if (paths.size > maximumPaths || Object.is(a, b)) return;
  if (depth > maximumDepth || !isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b)) {
    note(path === "" ? "$" : path, paths);
    return;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) note(`${path}[].length`, paths);
    for (let index = 0; index < Math.min(a.length, b.length); index++) {
      collect(a[index], b[index], `${path}[]`, paths, depth + 1);
    }
    return;
  }
  for (const key of new Set([...Object.keys(a), ...Object.keys(b)])) {
    collect(fieldOf(a, key), fieldOf(b, key), below(path, key), paths, depth + 1);
  }
}

function note(path: string, paths: Set<string>): void {
  paths.add(paths.size < maximumPaths || paths.has(path) ? path : otherPaths);
}

/** `length` below an array is what the array has itself. */
function below(path: string, key: string): string {
  const plain = plainKey.test(key) && !(key === "length" && path.endsWith("[]"));
  if (!plain) return `${path}[${JSON.stringify(key)}]`;
  return path === "" ? key : `${path}.${key}`;
}

function fieldOf(container: object, key: string): unknown {
  return Object.hasOwn(container, key) ? (container as Record<string, unknown>)[key] : undefined;
}

function isContainer(value: unknown): value is object {
  return typeof value === "object" && value !== null;
}
