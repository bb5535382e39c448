import { appendFileSync, mkdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { dirname } from "node:path";

/** Entries in a file of JSON lines, of which the newest are kept. */
export class History<T> {
  private kept: T[];
  private lines: number;

  /** Opens the file; a line that a crash cut off is left out. `most` is how many entries are kept. */
  constructor(
    private readonly file: string,
    private readonly most = 1000,
  ) {
    const all = readLines(file).flatMap((line) => {
      try {
        return [JSON.parse(line) as T];
      } catch {
        return [];
      }
    });
    this.kept = all.slice(-most);
    this.lines = all.length;
    mkdirSync(dirname(file), { recursive: true });
    this.rewrite();
  }

  add(entry: T): void {
    this.kept = [...this.kept, entry].slice(-this.most);
    appendFileSync(this.file, `${JSON.stringify(entry)}\n`, { mode: 0o600 });
    this.lines++;
    if (this.lines > 2 * this.most) this.rewrite();
  }

  /** The kept entries, oldest first. */
  get entries(): readonly T[] {
    return this.kept;
  }

  private rewrite(): void {
    const temporary = `${this.file}.${process.pid}.tmp`;
    writeFileSync(temporary, this.kept.map((entry) => `${JSON.stringify(entry)}\n`).join(""), { mode: 0o600 });
    renameSync(temporary, this.file);
    this.lines = this.kept.length;
  }
}

function readLines(file: string): string[] {
  try {
    return readFileSync(file, "utf8")
      .split("\n")
      .filter((line) => line !== "");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}
