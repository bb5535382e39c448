import { mkdirSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { gunzipSync, gzipSync } from "node:zlib";

import { ShadownetError } from "../../internal/problems";
import type { ExchangeSample } from "../gateway/exchange";
import type { SignalSide } from "../../experiment";
import type { SignalPoint } from "./driver";
import type { RecordedRun } from "./journal";
import { readJournal } from "./journalWriter";

/** File of the samples in a run's folder. */
const samplesFile = "samples.sqlite";

/** Which points are wanted; a field that is left out matches everything. */
interface PointFilter {
  signal?: string;
  target?: string;
  side?: SignalSide;
  /** Milliseconds since 1970, inclusive. */
  from?: number;
  /** Milliseconds since 1970, exclusive. */
  to?: number;
}

/** A run's samples, to be read. */
export interface SampleReader {
  /** Points in order of time. */
  points(filter?: PointFilter): SignalPoint[];
  /** The raw exchanges, in the order in which they became known. */
  exchanges(): Generator<ExchangeSample>;
  close(): void;
}

/** A run's samples, to be written and read. */
export interface SampleStore extends SampleReader {
  /** Adds points; one for the same series and time replaces the earlier one. */
  add(points: SignalPoint[]): void;
  /**
   * Keeps raw exchanges, compressed, so that any analysis can be redone; says whether they were kept. Beyond the limit
   * none are, so that a long run cannot fill the disk; the points go on.
   */
  addExchanges(samples: ExchangeSample[]): boolean;
}

/** About ten million exchanges. */
const mostExchangeBytes = 512 * 1024 * 1024;

const schema = `
CREATE TABLE IF NOT EXISTS series (
  id INTEGER PRIMARY KEY, signal TEXT NOT NULL, target TEXT NOT NULL, side TEXT NOT NULL, UNIQUE (signal, target, side)
);
CREATE TABLE IF NOT EXISTS points (
  series INTEGER NOT NULL, time REAL NOT NULL, value REAL NOT NULL, PRIMARY KEY (series, time)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS exchanges (id INTEGER PRIMARY KEY, count INTEGER NOT NULL, lines BLOB NOT NULL);
`;

/**
 * Makes or opens a run's `samples.sqlite`. It is written ahead to a log, so that after a kill -9 everything that was
 * added before is there. `limitBytes` is for the compressed raw exchanges and defaults to 512 MiB.
 */
export function createStore(folder: string, limitBytes = mostExchangeBytes): SampleStore {
  mkdirSync(folder, { recursive: true });
  const database = new DatabaseSync(join(folder, samplesFile));
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA busy_timeout = 5000;");
  database.exec(schema);
  return new SqliteStore(database, limitBytes);
}

/** Opens a run's samples for reading; throws when there are none. */
export function openStore(folder: string): SampleReader {
  const file = join(folder, samplesFile);
  try {
    return new SqliteStore(new DatabaseSync(file, { readOnly: true }));
  } catch (error) {
    throw new ShadownetError("no-samples", `no samples in ${file}: ${(error as Error).message}`);
  }
}

/** Reads a run with all its points, also one that was cut off or that ended before it had any. */
export async function loadRun(folder: string): Promise<RecordedRun> {
  const journal = await readJournal(folder);
  const started = journal.phases.some(({ name }) => name !== "preflight");
  let store: SampleReader;
  try {
    store = openStore(folder);
  } catch (error) {
    if (started) throw error;
    return { journal, points: [] };
  }
  try {
    return { journal, points: store.points() };
  } finally {
    store.close();
  }
}

class SqliteStore implements SampleStore {
  private readonly series = new Map<string, number>();
  private exchangeBytes = 0;

  constructor(
    private readonly database: DatabaseSync,
    /** Undefined for a store that is only read. */
    private readonly limitBytes?: number,
  ) {}

  add(points: SignalPoint[]): void {
    if (points.length === 0) return;
    const insert = this.database.prepare(
      "INSERT INTO points (series, time, value) VALUES (?, ?, ?) ON CONFLICT DO UPDATE SET value = excluded.value",
    );
    this.database.exec("BEGIN");
    try {
      for (const point of points) insert.run(this.seriesOf(point), point.time, point.value);
      this.database.exec("COMMIT");
    } catch (error) {
      this.series.clear();
      this.rollback();
      throw error;
    }
  }

  addExchanges(samples: ExchangeSample[]): boolean {
    if (samples.length === 0) return true;
    const lines = gzipSync(samples.map((sample) => JSON.stringify(sample)).join("\n"), { level: 1 });
    if (this.exchangeBytes + lines.length > (this.limitBytes ?? 0)) return false;
    this.exchangeBytes += lines.length;
    this.database.prepare("INSERT INTO exchanges (count, lines) VALUES (?, ?)").run(samples.length, lines);
    return true;
  }

  points(filter: PointFilter = {}): SignalPoint[] {
    const conditions = Object.entries(filter).filter(([, value]) => value !== undefined) as [string, string | number][];
    const where = conditions.map(([name]) => columnConditions[name as keyof PointFilter]).join(" AND ");
    const rows = this.database
      .prepare(
        `SELECT signal, target, side, time, value FROM points JOIN series ON series.id = points.series
         ${where === "" ? "" : `WHERE ${where}`} ORDER BY time, series`,
      )
      .all(...conditions.map(([, value]) => value));
    return rows.map((row) => ({ ...row }) as unknown as SignalPoint);
  }

  *exchanges(): Generator<ExchangeSample> {
    for (const row of this.database.prepare("SELECT lines FROM exchanges ORDER BY id").iterate()) {
      const lines = gunzipSync(row["lines"] as Uint8Array).toString("utf8");
      for (const line of lines.split("\n")) yield JSON.parse(line) as ExchangeSample;
    }
  }

  /** A store that was closed in good order is one file, which can be copied and opened anywhere. */
  close(): void {
    if (this.limitBytes !== undefined) this.database.exec("PRAGMA journal_mode = DELETE");
    this.database.close();
  }

  /** A full disk may have ended the transaction already; then there is nothing to roll back. */
  private rollback(): void {
    if (this.database.isTransaction) this.database.exec("ROLLBACK");
  }

  private seriesOf({ signal, target, side }: SignalPoint): number {
    const key = `${signal}\n${target}\n${side}`;
    const known = this.series.get(key);
    if (known !== undefined) return known;
    this.database
      .prepare("INSERT INTO series (signal, target, side) VALUES (?, ?, ?) ON CONFLICT DO NOTHING")
      .run(signal, target, side);
    const row = this.database
      .prepare("SELECT id FROM series WHERE signal = ? AND target = ? AND side = ?")
      .get(signal, target, side);
    const id = row!["id"] as number;
    this.series.set(key, id);
    return id;
  }
}

const columnConditions: Record<keyof PointFilter, string> = {
  signal: "signal = ?",
  target: "target = ?",
  side: "side = ?",
  from: "time >= ?",
  to: "time < ?",
};
