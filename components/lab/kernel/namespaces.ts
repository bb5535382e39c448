import { access, readdir, readlink, stat } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { type CommandResult, run, tryRun } from "../../internal/exec";
import { ShadownetError } from "../../internal/problems";
import { namespacePrefix } from "./names";

const folder = "/run/netns";

/** Path by which a named network namespace is entered. */
export function namespacePath(namespace: string): string {
  return join(folder, namespace);
}

/** Whether a network namespace with this name exists. */
export async function namespaceExists(namespace: string): Promise<boolean> {
  return access(namespacePath(namespace)).then(
    () => true,
    () => false,
  );
}

/** Names of the lab's namespaces that start with `sn.` and the given text. */
export async function listNamespaces(prefix = ""): Promise<string[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  return names.filter((name) => name.startsWith(namespacePrefix + prefix)).sort();
}

/** Runs lines of `ip` in one process, in a namespace or, for `netns` lines, in none; throws at the first that fails. */
export async function ipBatch(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const argv = ["ip", ...(namespace === undefined ? [] : ["-n", namespace]), "-batch", "-"];
  const { code, stderr } = await tryRun(argv, { stdin: `${lines.join("\n")}\n` });
  if (code !== 0) throw batchError(namespace, lines, stderr);
}

/** Runs lines of `ip` one after the other whatever fails: for cleaning up what may be gone. */
export async function ipBatchForced(namespace: string | undefined, lines: readonly string[]): Promise<void> {
  if (lines.length === 0) return;
  const argv = ["ip", ...(namespace === undefined ? [] : ["-n", namespace]), "-force", "-batch", "-"];
  await tryRun(argv, { stdin: `${lines.join("\n")}\n` });
}

function batchError(namespace: string | undefined, lines: readonly string[], stderr: string): ShadownetError {
  const number = /Command failed -:(\d+)/.exec(stderr)?.[1];
  const line = number === undefined ? "" : `: \`ip ${lines[Number(number) - 1] ?? ""}\``;
  const reason = stderr.replace(/\s*Command failed -:\d+\s*/g, " ").trim();
  return new ShadownetError("kernel-refused", `namespace ${namespace ?? "(none)"}${line}: ${reason}`);
}

/** Runs a POSIX shell script in a namespace and returns what it printed; throws with its message when it fails. */
export async function runScript(namespace: string, script: string): Promise<string> {
  const { code, stdout, stderr } = await tryScript(namespace, script);
  if (code === 0) return stdout;
  throw new ShadownetError("kernel-refused", `namespace ${namespace}: ${stderr.trim() || `exit code ${code}`}`);
}

/** Runs a POSIX shell script in a namespace and returns how it ended. */
export function tryScript(namespace: string, script: string): Promise<CommandResult> {
  return tryRun(["nsenter", `--net=${namespacePath(namespace)}`, "sh", "-s"], { stdin: script });
}

/** A shell command that gives the text to a program's standard input. */
export function feed(command: string, text: string): string {
  return `${command} <<'END_OF_INPUT'\n${text}\nEND_OF_INPUT`;
}

/** Text as one word of a shell script. */
export function quote(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** Ends every process in the namespaces, at once, and waits until they are gone. */
export async function killProcessesIn(namespaces: readonly string[]): Promise<void> {
  const deadline = Date.now() + 10_000;
  for (;;) {
    const pids = await processesIn(namespaces);
    if (pids.length === 0) return;
    if (Date.now() > deadline) {
      throw new ShadownetError("process-will-not-die", `processes ${pids.join(", ")} did not end within 10 s`);
    }
    pids.forEach(killNow);
    await delay(10);
  }
}

/** Kills a process that may be gone already. */
export function killNow(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

/** Ids of the processes whose network namespace is one of the given, without those that are only waiting to be reaped. */
export async function processesIn(namespaces: readonly string[]): Promise<number[]> {
  const inodes = new Set<string>();
  for (const namespace of namespaces) {
    const found = await stat(namespacePath(namespace)).catch(() => undefined);
    if (found !== undefined) inodes.add(`net:[${found.ino}]`);
  }
  if (inodes.size === 0) return [];
  const pids = (await readdir("/proc")).filter((name) => /^\d+$/.test(name));
  const links = await Promise.all(pids.map((pid) => readlink(`/proc/${pid}/ns/net`).catch(() => "")));
  return pids.filter((_, index) => inodes.has(links[index]!)).map(Number);
}

/** Removes namespaces with their devices and rules; those that are gone already are no error. */
export async function removeNamespaces(namespaces: readonly string[]): Promise<void> {
  const existing = [];
  for (const namespace of namespaces) if (await namespaceExists(namespace)) existing.push(namespace);
  await ipBatchForced(
    undefined,
    existing.map((namespace) => `netns del ${namespace}`),
  );
  for (const namespace of existing) {
    if (await namespaceExists(namespace)) await run(["ip", "netns", "del", namespace]);
  }
}
