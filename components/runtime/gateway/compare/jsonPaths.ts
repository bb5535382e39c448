const maximumPaths = 200;

/**
 * Paths of the fields in which two JSON texts differ, such as `items[].price`; positions in arrays are left out so that
 * the same field counts as one. Undefined when one of the texts is no JSON.
 */
export function differingPaths(a: Buffer, b: Buffer): string[] | undefined {
  let left: unknown;
  let right: unknown;
  try {
    left = JSON.parse(a.toString("utf8"));
    right = JSON.parse(b.toString("utf8"));
  } catch {
    return undefined;
  }
  const paths = new Set<string>();
  collect(left, right, "", paths, 0);
  return [...paths];
}

function collect(a: unknown, b: unknown, path: string, paths: Set<string>, depth: number): void {
  if (paths.size >= maximumPaths || Object.is(a, b)) return;
  if (depth > 64 || !isContainer(a) || !isContainer(b) || Array.isArray(a) !== Array.isArray(b)) {
    paths.add(path === "" ? "$" : path);
    return;
  }
  if (Array.isArray(a) && Array.isArray(b)) {
    if (a.length !== b.length) paths.add(`${path}[].length`);
    for (let index = 0; index < Math.min(a.length, b.length); index++) {
      collect(a[index], b[index], `${path}[]`, paths, depth + 1);
    }
    return;
  }
  const left = a as Record<string, unknown>;
  const right = b as Record<string, unknown>;
  for (const key of new Set([...Object.keys(left), ...Object.keys(right)])) {
    collect(left[key], right[key], path === "" ? key : `${path}.${key}`, paths, depth + 1);
  }
}

function isContainer(value: unknown): boolean {
  return typeof value === "object" && value !== null;
}
