// Pulumi's file back end keeps attributes beside each of its files, and writes them in place: an engine that is killed then
// leaves half of them, and every later operation ends with "EOF". Files without attributes are as good as ever.
import { existsSync, readFileSync, readdirSync, rmSync } from "node:fs";
import { join } from "node:path";

function isWhole(file) {
  try {
    JSON.parse(readFileSync(file, "utf8"));
    return true;
  } catch (error) {
    return !(error instanceof SyntaxError);
  }
}

/** Removes the attributes in a back end's folder that are not whole, and returns how many there were. */
export function clearHalfAttributes(backend) {
  const folder = join(backend, ".pulumi");
  if (!existsSync(folder)) return 0;
  const names = readdirSync(folder, { recursive: true }).filter((name) => name.endsWith(".attrs"));
  const half = names.map((name) => join(folder, name)).filter((file) => !isWhole(file));
  for (const file of half) rmSync(file, { force: true });
  return half.length;
}
