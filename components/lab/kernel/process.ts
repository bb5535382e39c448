import { access, mkdir, readFile, readlink, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { run, tryRun } from "../../internal/exec";
import { ShadownetError } from "../../internal/problems";
import type { Workload } from "../../topology";
import { machineFolder } from "./names";
import { defaultFolder, defaultPath, imageFolderName, initScriptName, machineScripts } from "./scripts";
import type { LabMachineSpec } from "./specs";

/** How long a workload must live to count as started, in milliseconds. */
const provingTime = 1000;
/** How long a workload has to end when it is asked to, in milliseconds. */
const stoppingTime = 5000;

/** Writes the files with which a machine is started, crashed and looked at, by us or by anybody with a shell. */
export async function writeMachineFiles(spec: LabMachineSpec): Promise<void> {
  const folder = machineFolder(spec.network, spec.machine);
  await mkdir(join(folder, "data"), { recursive: true });
  if (spec.workload === undefined) return;
  await writeFile(join(folder, "hosts"), hostsFile(spec));
  await writeFile(join(folder, "resolv.conf"), "# names come from /etc/hosts\nnameserver 127.0.0.1\n");
  for (const [name, text] of Object.entries(machineScripts(spec, spec.workload))) {
    await writeFile(join(folder, name), text, { mode: 0o700 });
  }
}

/** Rewrites the names that a machine resolves; its processes see them at once, because the mounted file stays. */
export async function writeHosts(spec: LabMachineSpec): Promise<void> {
  if (spec.workload !== undefined) {
    await writeFile(join(machineFolder(spec.network, spec.machine), "hosts"), hostsFile(spec));
  }
}

const ownNames = "# the machine itself";

function hostsFile({ machine, interfaces, hosts }: LabMachineSpec): string {
  const own = interfaces.flatMap(({ addresses }) => addresses.map((address) => address.split("/")[0]!));
  const lines = [
    ...["127.0.0.1 localhost", "::1 localhost", ...own.map((address) => `${address} ${machine}`)].map(
      (line) => `${line} ${ownNames}`,
    ),
    ...Object.entries(hosts).flatMap(([name, addresses]) => addresses.map((address) => `${address} ${name}`)),
  ];
  return `${lines.join("\n")}\n`;
}

/** The names that a machine resolves beside its own; undefined when it has no file for them. */
export async function readHosts(network: string, machine: string): Promise<Record<string, string[]> | undefined> {
  const file = join(machineFolder(network, machine), "hosts");
  const text = await readFile(file, "utf8").catch(() => undefined);
  return text === undefined ? undefined : parseHosts(text);
}

/** The names in a machine's hosts file beside its own, with their addresses. */
export function parseHosts(text: string): Record<string, string[]> {
  const hosts: Record<string, string[]> = {};
  for (const line of text.split("\n")) {
    if (line.endsWith(ownNames) || line.startsWith("#")) continue;
    const [address, ...names] = line.trim().split(/\s+/);
    for (const name of names) (hosts[name] ??= []).push(address!);
  }
  return hosts;
}

/** Id on the host of the first process of a machine; undefined when the machine does not run. */
export async function initProcess(network: string, machine: string): Promise<number | undefined> {
  const text = await readFile(join(machineFolder(network, machine), "init.pid"), "utf8").catch(() => "");
  const [pid, started] = text.trim().split(" ");
  if (pid === undefined || started === undefined) return undefined;
  const stat = await readFile(`/proc/${pid}/stat`, "utf8").catch(() => "");
  const fields = stat.slice(stat.lastIndexOf(")") + 2).split(" ");
  const [state = "X"] = fields;
  return fields[19] === started && !["Z", "X"].includes(state) ? Number(pid) : undefined;
}

/** The workload as it runs, from its first process; undefined when none runs or the process is no machine's. */
export async function readWorkload(pid: number): Promise<Workload | undefined> {
  try {
    const [commandLine, environ, workingDirectory] = await Promise.all([
      readFile(`/proc/${pid}/cmdline`, "utf8"),
      readFile(`/proc/${pid}/environ`, "utf8"),
      readlink(`/proc/${pid}/cwd`),
    ]);
    const [, script = "", ...command] = commandLine.split("\0").slice(0, -1);
    if (!script.endsWith(`/${initScriptName}`)) return undefined;
    const environment = environmentOf(environ);
    return {
      command,
      ...(workingDirectory === defaultFolder ? {} : { workingDirectory }),
      ...(environment === undefined ? {} : { environment }),
    };
  } catch (error) {
    if (["ENOENT", "ESRCH"].includes((error as NodeJS.ErrnoException).code ?? "")) return undefined;
    throw error;
  }
}

function environmentOf(environ: string): Record<string, string> | undefined {
  const variables = environ
    .split("\0")
    .filter((entry) => entry !== "" && entry !== `PATH=${defaultPath}`)
    .map((entry): [string, string] => [entry.slice(0, entry.indexOf("=")), entry.slice(entry.indexOf("=") + 1)]);
  return variables.length === 0 ? undefined : Object.fromEntries(variables);
}

/** Throws away what a machine has written beside its image; it must not run. */
export async function deleteImageLayers(network: string, machine: string): Promise<void> {
  await rm(join(machineFolder(network, machine), imageFolderName), { recursive: true, force: true });
}

/** Starts a machine's workload unless it runs; a bare machine has nothing to start. */
export async function startProcess(network: string, machine: string): Promise<void> {
  const script = join(machineFolder(network, machine), "start.sh");
  if (!(await exists(script))) return;
  const { code, stderr } = await tryRun(["sh", script]);
  if (code !== 0) throw diedAtStart(machine, stderr);
}

/** Starts a machine's workload and waits until it has lived long enough; throws with the end of its log if it dies. */
export async function startAndProve(network: string, machine: string): Promise<void> {
  await startProcess(network, machine);
  const deadline = Date.now() + provingTime;
  while (Date.now() < deadline) {
    await delay(100);
    if ((await initProcess(network, machine)) === undefined) {
      const log = join(machineFolder(network, machine), "workload.log");
      throw diedAtStart(machine, await run(["tail", "-n", "20", log]));
    }
  }
}

function diedAtStart(machine: string, log: string): ShadownetError {
  const said = log.trim() === "" ? "it wrote nothing" : `it wrote:\n${log.trim()}`;
  return new ShadownetError("workload-died", `the workload of machine "${machine}" died at its start; ${said}`);
}

/** Asks a machine's workload to end, and ends it if it does not within 5 s. */
export async function stopProcess(network: string, machine: string): Promise<void> {
  const pid = await initProcess(network, machine);
  if (pid !== undefined) process.kill(pid, "SIGTERM");
  const deadline = Date.now() + stoppingTime;
  while ((await initProcess(network, machine)) !== undefined) {
    if (Date.now() > deadline) {
      await crashProcess(network, machine);
      return;
    }
    await delay(10);
  }
}

/** Ends everything on a machine at once. */
export async function crashProcess(network: string, machine: string): Promise<void> {
  const script = join(machineFolder(network, machine), "crash.sh");
  if (await exists(script)) await run(["sh", script]);
}

/** Removes what starts a machine, so that nothing does. */
export async function removeScripts(network: string, machine: string): Promise<void> {
  for (const name of ["start.sh", initScriptName, "crash.sh", "alive.sh", "init.pid", "hosts", "resolv.conf"]) {
    await rm(join(machineFolder(network, machine), name), { force: true });
  }
}

function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}
