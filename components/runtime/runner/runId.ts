import { randomBytes } from "node:crypto";

/** A run's name: time to the second, which sorts, and a short random suffix, for example `20260314-092653-4f1c`. */
export function newRunId(now = new Date()): string {
  const digits = now.toISOString().replace(/[-:]/g, "");
  return `${digits.slice(0, 8)}-${digits.slice(9, 15)}-${randomBytes(2).toString("hex")}`;
}
