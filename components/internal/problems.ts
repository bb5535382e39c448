/** One thing that is wrong with what the user gave: where, what was given, what is allowed, and the likely cure. */
export interface Problem {
  /** Path to the offending value, for example `machines[3].interfaces[0].subnet`. */
  path: string;
  /** What is wrong and what is allowed, in lower case and without a full stop. */
  reason: string;
}

/** How a `shadownet` command ends. */
export const ExitCode = { Done: 0, FailureFound: 1, BadInput: 2, NotPossibleHere: 3 } as const;
export type ExitCode = (typeof ExitCode)[keyof typeof ExitCode];

/** An error that the user can act on; `code` is stable and matched by callers, `exitCode` is what a command ends with. */
export class ShadownetError extends Error {
  /** What a program that dies of it shows: the message, without a stack that says nothing to a user. */
  [Symbol.for("nodejs.util.inspect.custom")](): string {
    return process.env.SHADOWNET_DEBUG === undefined ? markedMessage(this) : (this.stack ?? this.message);
  }

  constructor(
    readonly code: string,
    message: string,
    readonly exitCode: ExitCode = ExitCode.FailureFound,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "ShadownetError";
  }
}

/** Words that follow a message which has to pass through Pulumi's engine, where exit codes are lost. */
const outcomeMarks: Partial<Record<ExitCode, string>> = {
  [ExitCode.BadInput]: " (bad input)",
  [ExitCode.NotPossibleHere]: " (not possible here)",
};

/** An error's message, with the kind of its outcome behind its first line where that is more than a failure. */
export function markedMessage({ message, exitCode }: Pick<ShadownetError, "message" | "exitCode">): string {
  const [first = "", ...rest] = message.split("\n");
  return [first + (outcomeMarks[exitCode] ?? ""), ...rest].join("\n");
}

/** The exit code that a text asks for by the marks of {@link markedMessage}; a failure without any. */
export function markedExitCode(text: string): ExitCode {
  for (const code of [ExitCode.NotPossibleHere, ExitCode.BadInput]) {
    const mark = outcomeMarks[code]!;
    if (text.split("\n").some((line) => line.trimEnd().endsWith(mark))) return code;
  }
  return ExitCode.FailureFound;
}

/** Every problem of one input at once, so that the user mends them in one go. */
export class ProblemsError extends ShadownetError {
  constructor(
    readonly subject: string,
    readonly problems: Problem[],
  ) {
    super("bad-input", describeProblems(subject, problems), ExitCode.BadInput);
    this.name = "ProblemsError";
  }
}

function describeProblems(subject: string, problems: Problem[]): string {
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  return [`${subject}: ${count}`, ...problems.map(({ path, reason }) => `  ${path}: ${reason}`)].join("\n");
}

/** Throws one {@link ProblemsError} that names every problem; does nothing when there is none. */
export function refuse(subject: string, problems: Problem[]): void {
  if (problems.length > 0) throw new ProblemsError(subject, problems);
}

/** `; did you mean "front"?` for the known name nearest to a misspelt one, or an empty string when none is near. */
export function didYouMean(given: string, known: Iterable<string>): string {
  let best: string | undefined;
  let bestDistance = Math.max(1, Math.floor(given.length / 3)) + 1;
  for (const name of known) {
    const distance = editDistance(given.toLowerCase(), name.toLowerCase());
    if (distance < bestDistance) [best, bestDistance] = [name, distance];
  }
  return best === undefined ? "" : `; did you mean "${best}"?`;
}

function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, column) => column);
  for (let row = 1; row <= a.length; row++) {
    const current = [row];
    for (let column = 1; column <= b.length; column++) {
      const substitution = previous[column - 1]! + (a[row - 1] === b[column - 1] ? 0 : 1);
      current.push(Math.min(substitution, previous[column]! + 1, current[column - 1]! + 1));
    }
    previous = current;
  }
  return previous[b.length]!;
}
