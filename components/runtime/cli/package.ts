import { readFileSync } from "node:fs";
import { join } from "node:path";

/** Folder of the installed package: four levels above the compiled command line. */
export const packageRoot = join(__dirname, "..", "..", "..", "..");

/** A file of the set-up tools. */
export function toolFile(name: string): string {
  return join(packageRoot, "tools", name);
}

/** Version from package.json. */
export function packageVersion(): string {
  const { version } = JSON.parse(readFileSync(join(packageRoot, "package.json"), "utf8")) as { version: string };
  return version;
}
