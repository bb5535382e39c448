import { createHash } from "node:crypto";

/** A name that rules, sets, files and tags can carry; unique among the faults of a run. */
export function faultId(experiment: string, action: string): string {
  const plain = `${experiment}-${action}`.toLowerCase().replaceAll(/[^a-z0-9-]/g, "-");
  if (plain === `${experiment}-${action}` && plain.length <= 40) return plain;
  const digest = createHash("sha256").update(`${experiment}/${action}`).digest("hex").slice(0, 6);
  return `${plain.slice(0, 33)}-${digest}`;
}
