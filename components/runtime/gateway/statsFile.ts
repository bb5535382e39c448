import { statSync } from "node:fs";

import { writeAtomically } from "../../internal/files";
import { cannotWrite, FileTrouble } from "./fileTrouble";
import type { GatewayStats } from "./stats";

/** The file that holds the counters; whoever reads it finds all of them, as they were at one moment. */
export class StatsFile {
  private writing: Promise<void> = Promise.resolve();
  private readonly trouble: FileTrouble;

  constructor(private readonly path: string) {
    this.trouble = new FileTrouble(path, "it keeps older counters");
  }

  /** Writes it for the first time; throws a `ShadownetError` when that is not possible. */
  async begin(stats: GatewayStats): Promise<void> {
    // A file takes the place of what has its name, also of a device such as /dev/null.
    const there = statSync(this.path, { throwIfNoEntry: false });
    if (there !== undefined && !there.isFile()) {
      throw cannotWrite(this.path, "it is there and is no regular file");
    }
    await writeAtomically(this.path, textOf(stats)).catch((error: unknown) => {
      throw cannotWrite(this.path, error);
    });
  }

  /** Rewrites it; ends when these counters are there or could not be written. */
  write(stats: GatewayStats): Promise<void> {
    const text = textOf(stats);
    this.writing = this.writing
      .then(() => writeAtomically(this.path, text))
      .then(
        () => this.trouble.worked(),
        (error: unknown) => this.trouble.failed(error),
      );
    return this.writing;
  }
}

function textOf(stats: GatewayStats): string {
  return `${JSON.stringify(stats, null, 2)}\n`;
}
