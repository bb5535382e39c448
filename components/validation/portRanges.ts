import type { Problem } from "../internal/problems";

/** First and last port of `80` or `8000-8010`; undefined when the text is no range of ports. */
export function parsePortRange(text: string): { first: number; last: number } | undefined {
  const match = /^(\d{1,5})(?:-(\d{1,5}))?$/.exec(text);
  if (match === null) return undefined;
  const first = Number(match[1]);
  const last = match[2] === undefined ? first : Number(match[2]);
  return first <= last && last <= 65535 ? { first, last } : undefined;
}

/** The problem with a port or a range of ports, if there is one; a text that is left out is no problem. */
export function portRangeProblem(path: string, text: string | undefined): Problem[] {
  if (text === undefined || parsePortRange(text) !== undefined) return [];
  return [{ path, reason: `"${text}" is not a port or a range such as 80 or 8000-8010` }];
}
