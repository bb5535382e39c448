/** The numbers of a version such as `v3.259.0`, `go1.26.8` or `3.230.0-beta.1`; undefined when the text has none. */
export function parseVersion(text) {
  const match = /(\d+)\.(\d+)(?:\.(\d+))?/.exec(text);
  return match === null ? undefined : [Number(match[1]), Number(match[2]), Number(match[3] ?? 0)];
}

/** Whether a version is the asked one or a newer one; a text without a version never is. */
export function isAtLeast(text, minimum) {
  const given = parseVersion(text);
  if (given === undefined) return false;
  const asked = parseVersion(minimum);
  const at = given.findIndex((part, index) => part !== asked[index]);
  return at === -1 || given[at] > asked[at];
}
