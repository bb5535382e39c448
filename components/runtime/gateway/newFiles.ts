import { existsSync, rmSync } from "node:fs";

/** Remembers which files are not there yet, so that a gateway which cannot begin leaves none of them. */
export class NewFiles {
  private readonly missing: string[];

  constructor(paths: readonly (string | undefined)[]) {
    this.missing = paths.filter((path) => path !== undefined && !existsSync(path)) as string[];
  }

  /** Removes those that are there by now. */
  remove(): void {
    for (const path of this.missing) if (existsSync(path)) rmSync(path);
  }
}
