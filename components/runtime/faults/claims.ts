import { shell, shortName } from "./commands";
import type { PlanCommand } from "./plan";

/** A limit that several faults may lower at once, as shell texts. */
export interface SharedLimit {
  /** Path or name by which every fault knows it. */
  name: string;
  /** Succeeds while it is there. */
  present: string;
  /** Prints what tells it from a later one of the same name. */
  identity: string;
  /** Prints what holds now. */
  current: string;
  /** Prints what is to hold, from `$CLAIM/original` and what the faults ask for in `$CLAIM/by`. */
  combine: string;
  /** Sets what the file `$1` says. */
  put: string;
  /** Keeps what else is needed to give the original back, in `$CLAIM`. Defaults to nothing. */
  remember?: string;
}

/** Folder of a shared limit in a script. */
export function claimFolder({ name }: Pick<SharedLimit, "name">): string {
  return `{claims}/${claimName(name)}`;
}

/** Steps with which a fault asks for its part of a shared limit, and gives it back. */
export function claimSteps(
  limit: SharedLimit,
  asked: string,
  before: string[] = [],
): Record<"apply" | "undo" | "undone", PlanCommand> {
  const name = claimName(limit.name);
  const inside = (...lines: string[]): PlanCommand => shell([`# ${limit.name}`, "(", ...lines, ")"].join("\n"));
  const { present, remember, identity, current, combine, put } = limit;
  const both = { identity, current, combine, put };
  return {
    apply: inside(...functions({ ...both, remember }), ...before, `claim ${name} ${asked}`),
    undo: inside(...functions({ ...both, present }), `release ${name}`),
    undone: shell(`released ${name}`),
  };
}

/** Shell text that multiplies `variable` by the thousandths that each fault leaves, the first word of what it asks. */
export function takeShares(variable: string): string {
  return `for part in "$CLAIM"/by/*; do
    read -r left _ <"$part"
    ${variable}=$((${variable} * left / 1000))
  done`;
}

function functions(bodies: Record<string, string | undefined>): string[] {
  return Object.entries(bodies).flatMap(([name, body]) => (body === undefined ? [] : [`${name}() {\n  ${body}\n}`]));
}

function claimName(name: string): string {
  return shortName("limit-", name);
}
