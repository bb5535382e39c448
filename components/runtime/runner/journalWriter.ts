import { mkdirSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ProblemsError } from "../../internal/problems";
import { readJson } from "../../internal/files";
import type { Clock } from "./clock";
import type { Journal, JournalEvent, JournalPhase } from "./journal";
import { isAlive } from "./processes";

/** File of the journal in a run's folder. */
const journalFile = "journal.json";

const writeInterval = 500;

/** What the journal of a run says that was killed. */
export const cutOffReason = "the run was cut off: its process ended without closing the journal";

/**
 * Keeps `journal.json` up to date while a run happens. Writing is synchronous: what the journal says was written before
 * what it speaks of goes on. A journal that cannot be written never stops an undo; the run looks at `problem` and ends.
 */
export class JournalWriter {
  /** Why the last write failed; undefined while all is well. */
  problem?: string;
  /** Gets every event as it is recorded. Defaults to nobody. */
  onEvent?: (event: JournalEvent) => void;
  private writtenAt = 0;

  constructor(
    readonly folder: string,
    readonly journal: Journal,
    private readonly clock: Clock,
  ) {
    mkdirSync(folder, { recursive: true });
    this.write();
  }

  /** Records something that happened and writes it down. */
  event(kind: string, message: string, data?: Record<string, unknown>): JournalEvent {
    const event: JournalEvent = { time: this.clock.now(), kind, message, ...(data === undefined ? {} : { data }) };
    this.journal.events.push(event);
    this.write();
    this.onEvent?.(event);
    return event;
  }

  /** Ends the phase before and begins another. */
  beginPhase(name: JournalPhase["name"], experiment?: string): void {
    this.endPhase();
    const phase: JournalPhase = { name, startedAt: this.clock.now() };
    this.journal.phases.push(experiment === undefined ? phase : { ...phase, experiment });
    this.write();
  }

  endPhase(): void {
    const last = this.journal.phases.at(-1);
    if (last !== undefined) last.endedAt ??= this.clock.now();
  }

  /** Writes when the last write is long enough ago. */
  refresh(): void {
    if (Date.now() - this.writtenAt >= writeInterval) this.write();
  }

  write(): void {
    const file = join(this.folder, journalFile);
    try {
      writeFileSync(`${file}.tmp`, `${JSON.stringify(this.journal, null, 1)}\n`);
      renameSync(`${file}.tmp`, file);
      this.problem = undefined;
    } catch (error) {
      this.problem = `the journal ${file} cannot be written: ${(error as Error).message}`;
    }
    this.writtenAt = Date.now();
  }
}

/**
 * Reads a run's journal. One that still says `running` although its process is gone was cut off: it is returned as
 * `interrupted`, with the sentence that says so, and its end at the last thing it knows of.
 */
export async function readJournal(folder: string): Promise<Journal> {
  const file = join(folder, journalFile);
  const journal = await readJson<Journal>(file);
  if (journal === undefined) {
    throw new ProblemsError("run", [{ path: file, reason: "there is no journal here; give the folder of a run" }]);
  }
  return isCut(journal) ? closedCut(journal) : journal;
}

/** True when the journal's run ended without closing it. */
function isCut(journal: Journal): boolean {
  return journal.status === "running" && (journal.process === undefined || !isAlive(journal.process));
}

function closedCut(journal: Journal): Journal {
  const known = [
    Date.parse(journal.startedAt),
    ...journal.phases.flatMap(({ startedAt, endedAt }) => [startedAt, endedAt ?? startedAt]),
    ...journal.events.map(({ time }) => time),
  ];
  const last = Math.max(...known);
  return {
    ...journal,
    status: "interrupted",
    statusReason: cutOffReason,
    endedAt: new Date(last).toISOString(),
    phases: journal.phases.map((phase) => ({ ...phase, endedAt: phase.endedAt ?? last })),
  };
}
