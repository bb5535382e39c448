import { createHash } from "node:crypto";

import type { PlanCommand } from "./plan";

/** Prefix that runs a command in a network namespace; empty for the one the script runs in. */
export function inNamespace(namespace: string | undefined): string[] {
  return namespace === undefined ? [] : ["ip", "netns", "exec", namespace];
}

/** `ip` for a network namespace. */
export function ipIn(namespace: string | undefined, ...args: string[]): string[] {
  return ["ip", ...(namespace === undefined ? [] : ["-n", namespace]), ...args];
}

/** `tc` for a network namespace. */
export function tcIn(namespace: string | undefined, ...args: string[]): string[] {
  return ["tc", ...(namespace === undefined ? [] : ["-n", namespace]), ...args];
}

/** A shell text; `words` quotes what goes into it. */
export function shell(text: string): PlanCommand {
  return { argv: ["sh", "-c", text] };
}

/** Arguments as one shell text, quoted where needed. */
export function words(argv: readonly string[]): string {
  return argv.map(quote).join(" ");
}

/** One shell word. */
export function quote(text: string): string {
  return /^[A-Za-z0-9_@%+=:,./{}-]+$/.test(text) && !text.includes("{}") ? text : `'${text.replaceAll("'", "'\\''")}'`;
}

/** Name of everything that a fault creates, from its id: a letter first, then letters, digits and underscores. */
export function tag(id: string): string {
  return /^[A-Za-z0-9_]{1,40}$/.test(id) ? `sn_${id}` : `sn_${hash(id)}`;
}

/** Name of at most 15 characters for a device or namespace of a fault. */
export function shortName(prefix: string, ...parts: string[]): string {
  return prefix + hash(parts.join("/"));
}

function hash(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 11);
}
