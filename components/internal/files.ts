import { mkdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { dirname } from "node:path";

import { ExitCode, ShadownetError } from "./problems";

/** Writes a file so that a reader sees the old content or the new one, never a part. */
export async function writeAtomically(path: string, content: string | Buffer, mode = 0o644): Promise<void> {
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  try {
    await writeFile(temporary, content, { mode });
    await rename(temporary, path);
  } catch (error) {
    await rm(temporary, { force: true });
    throw error;
  }
}

/** Reads and parses a JSON file; undefined when there is none, an error with the path when it is not JSON. */
export async function readJson<T>(path: string): Promise<T | undefined> {
  try {
    return JSON.parse(await readFile(path, "utf8")) as T;
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return undefined;
    if (!(error instanceof SyntaxError)) throw error;
    throw new ShadownetError("bad-json", `${path} is not JSON: ${error.message}`, ExitCode.BadInput, { cause: error });
  }
}

/**
 * Reads a record that we wrote ourselves; undefined when there is none or when it is spoilt, as after a crash of the
 * host: what it speaks of is then made anew.
 */
export async function readRecord<T>(path: string): Promise<T | undefined> {
  try {
    return await readJson<T>(path);
  } catch (error) {
    if (error instanceof ShadownetError) return undefined;
    throw error;
  }
}
