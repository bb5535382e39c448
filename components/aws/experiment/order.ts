import { type PlannedAction, type PlannedTemplate, type PlannedTarget, fisLimits } from "./model";

/** For each action, all those that must have ended before it begins. */
export function ancestors(actions: readonly PlannedAction[]): Map<string, Set<string>> {
  const byName = new Map(actions.map((action) => [action.name, action]));
  const known = new Map<string, Set<string>>();
  const of = (name: string): Set<string> => {
    const found = known.get(name);
    if (found !== undefined) return found;
    const all = new Set<string>();
    known.set(name, all);
    for (const before of byName.get(name)?.startAfter ?? []) {
      if (!byName.has(before)) continue;
      all.add(before);
      for (const earlier of of(before)) all.add(earlier);
    }
    return all;
  };
  for (const { name } of actions) of(name);
  return known;
}

/**
 * The most actions that can run at once. No two of them wait for each other, so by Dilworth's theorem they are as many
 * as the fewest chains that hold all actions, which a matching of each action to a later one finds.
 */
export function mostAtOnce(actions: readonly PlannedAction[]): number {
  const before = ancestors(actions);
  const follower = new Map<string, string>();
  const match = (name: string, tried: Set<string>): boolean =>
    actions.some(({ name: later }) => {
      if (tried.has(later) || before.get(later)?.has(name) !== true) return false;
      tried.add(later);
      const rival = follower.get(later);
      if (rival !== undefined && !match(rival, tried)) return false;
      follower.set(later, name);
      return true;
    });
  const matched = actions.filter(({ name }) => match(name, new Set())).length;
  return actions.length - matched;
}

/** Longest time from the first action's start to the last one's end. */
export function longestSeconds(actions: readonly PlannedAction[]): number {
  const byName = new Map(actions.map((action) => [action.name, action]));
  const ends = new Map<string, number>();
  const end = (action: PlannedAction): number => {
    const known = ends.get(action.name);
    if (known !== undefined) return known;
    const before = action.startAfter.map((name) => byName.get(name)).filter((found) => found !== undefined);
    const value = Math.max(0, ...before.map(end)) + action.seconds;
    ends.set(action.name, value);
    return value;
  };
  return Math.max(0, ...actions.map(end));
}

/** Actions that no other one waits for. */
export function lastOf(actions: readonly PlannedAction[]): string[] {
  const awaited = new Set(actions.flatMap(({ startAfter }) => startAfter));
  return actions.map(({ name }) => name).filter((name) => !awaited.has(name));
}

/**
 * Parts of the actions that run one after the other: a cut lies where everything behind it waits for everything before
 * it, so that running the parts as experiments of their own changes nothing.
 */
export function partsInOrder(actions: readonly PlannedAction[]): PlannedAction[][] {
  const before = ancestors(actions);
  const sorted = [...actions].sort((a, b) => before.get(a.name)!.size - before.get(b.name)!.size);
  const parts: PlannedAction[][] = [];
  let part: PlannedAction[] = [];
  sorted.forEach((action, index) => {
    part.push(action);
    const lasts = lastOf(sorted.slice(0, index + 1));
    const rest = sorted.slice(index + 1);
    if (rest.every(({ name }) => lasts.every((last) => before.get(name)!.has(last)))) {
      parts.push(part);
      part = [];
    }
  });
  return parts;
}

/**
 * The fewest templates, in order, that hold all actions within FIS's limits for one; undefined when some actions that
 * belong together are too many.
 */
export function splitIntoTemplates(
  actions: readonly PlannedAction[],
  targets: readonly PlannedTarget[],
  spare: number,
): PlannedTemplate[] | undefined {
  const most = fisLimits.actionsPerTemplate - spare;
  const groups: PlannedAction[][] = [];
  for (const part of partsInOrder(actions)) {
    if (part.length > most) return undefined;
    const last = groups.at(-1);
    const fits = last !== undefined && last.length + part.length <= most && lengthOf([...last, ...part]);
    if (fits) last.push(...part);
    else groups.push([...part]);
  }
  return groups.map((group, index) => template(`${index + 1}`, group, targets));
}

function lengthOf(actions: readonly PlannedAction[]): boolean {
  return longestSeconds(actions) <= fisLimits.longestSeconds;
}

function template(key: string, group: readonly PlannedAction[], targets: readonly PlannedTarget[]): PlannedTemplate {
  const own = new Set(group.map(({ name }) => name));
  const used = new Set(group.map(({ target }) => target?.name));
  return {
    key,
    actions: group.map((action) => ({ ...action, startAfter: action.startAfter.filter((name) => own.has(name)) })),
    targets: targets.filter(({ name }) => used.has(name)),
  };
}
