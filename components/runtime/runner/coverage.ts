import type { MirrorState } from "./driver";
import type { JournalCoverage } from "./journal";

/** What became of the requests between two readings; what the gateway does not explain is named so. */
export function coverageBetween(before: MirrorState, after: MirrorState): JournalCoverage {
  const onWire = Math.max(0, after.onWire - before.onWire);
  const replayed = Math.max(0, after.replayed - before.replayed);
  const lostByMirror = Math.max(0, (after.lostByMirror ?? 0) - (before.lostByMirror ?? 0));
  const unusable = difference(before.unusable, after.unusable);
  const shed = difference(before.shed, after.shed);
  const explained = replayed + lostByMirror + sum(unusable) + sum(shed);
  if (explained < onWire) unusable["notExplained"] = onWire - explained;
  const share = (whole: number): number => (whole === 0 ? 0 : replayed / whole);
  const unseen = unseenBetween(before, after);
  return {
    onWire,
    replayed,
    lostByMirror,
    unusable,
    shed,
    coverage: share(onWire),
    ...(unseen === undefined ? {} : { unseen, coverageAtLeast: share(onWire + unseen) }),
  };
}

/** Packets between two readings that nobody saw; undefined when one of the readings does not say. */
export function unseenBetween(before: MirrorState, after: MirrorState): number | undefined {
  if (before.unseen === undefined || after.unseen === undefined) return undefined;
  return Math.max(0, after.unseen - before.unseen);
}

/**
 * The share that verdicts rest on: everything that could not be seen counts as a request that did not reach the shadow.
 * Where it is not known how much that was, the share of what was seen.
 */
export function surestCoverage({ coverage, coverageAtLeast }: JournalCoverage): number {
  return coverageAtLeast ?? coverage;
}

function difference(before: Record<string, number> = {}, after: Record<string, number> = {}): Record<string, number> {
  const entries = Object.entries(after).map(([name, value]): [string, number] => [name, value - (before[name] ?? 0)]);
  return Object.fromEntries(entries.filter(([, value]) => value > 0));
}

function sum(parts: Record<string, number>): number {
  return Object.values(parts).reduce((total, value) => total + value, 0);
}
