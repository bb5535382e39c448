import { readFile, readdir, stat } from "node:fs/promises";
import { basename, join } from "node:path";

import { tryRun } from "../internal/exec";
import type { Machine, MachineInterface } from "../topology";
import type { CapturedNetwork } from "./captureSubnets";
import { machineCgroups, readSize } from "./kernel/cgroups";
import { readDisk } from "./kernel/disk";
import { interfaceOf, writtenMachine } from "./kernel/machine";
import { machineFolder, machineNamespace } from "./kernel/names";
import { namespacePath, processesIn } from "./kernel/namespaces";
import { parseHosts, readWorkload } from "./kernel/process";
import { type NamespaceState, readNamespace } from "./kernel/read";
import type { LabFilterRule } from "./kernel/specs";

/** One socket that waits for clients. */
export interface ListeningSocket {
  protocol: "tcp" | "udp";
  port: number;
  /** Name of the program. Defaults to unknown. */
  program?: string;
}

/** A machine with what the topology keeps elsewhere. */
export interface CapturedMachine {
  /** Its interfaces carry no groups yet. */
  machine: Machine;
  /** Rules of each interface; undefined where everything passes. */
  filters: (LabFilterRule[] | undefined)[];
  /** Names that it resolves. */
  hosts: Record<string, string[]>;
  sockets: ListeningSocket[];
  unreadable: string[];
}

/** Stands for a machine that lies behind a boundary. */
export const outsideMachine = Symbol("outside");

/** Ports from here on are handed out to clients. */
const firstClientPort = 32_768;

/**
 * Reads one machine from its namespace, its processes and its control groups. A sentence instead says why it could not
 * be read.
 */
export async function captureMachine(
  network: string,
  name: string,
  captured: CapturedNetwork,
): Promise<CapturedMachine | typeof outsideMachine | string> {
  const state = await readNamespace(machineNamespace(network, name));
  if (state === undefined) return `machine ${name}: its network namespace is gone`;
  const cards = interfacesOf(state, captured);
  if (cards.length === 0) {
    const plugged = state.links.some(({ peerIndex }) => captured.subnetOfPort.has(peerIndex ?? 0));
    return plugged ? outsideMachine : `machine ${name}: none of its interfaces is connected`;
  }
  const [pid, written] = [await firstProcess(network, name), await writtenMachine(network, name)];
  const size = await readSize(machineCgroups(network, name));
  const type = written?.size?.type;
  const workload = pid === undefined ? undefined : await readWorkload(pid);
  const dataFolder = await dataFolderOf(network, name, pid);
  const processes = await commandLines(network, name);
  const diskMegabytes = written?.diskMegabytes === undefined ? undefined : await readDisk(written);
  const extras = {
    ...(dataFolder === undefined ? {} : { dataFolder }),
    ...(diskMegabytes === undefined ? {} : { diskMegabytes }),
    ...(processes.length === 0 ? {} : { processes }),
  };
  return {
    machine: {
      name,
      ...(written?.role === undefined ? {} : { role: written.role }),
      ...(size === undefined ? {} : { size: { ...(type === undefined ? {} : { type }), ...size } }),
      ...(workload === undefined ? {} : { workload }),
      interfaces: cards.map(({ card }) => card),
      ...(state.forwarding ? { forwarding: true } : {}),
      sourceId: machineNamespace(network, name),
      ...(Object.keys(extras).length === 0 ? {} : { lab: extras }),
    },
    filters: cards.map(({ rules }) => rules),
    hosts: pid === undefined ? {} : parseHosts(await readFile(`/proc/${pid}/root/etc/hosts`, "utf8").catch(() => "")),
    sockets: await listeningSockets(network, name),
    unreadable:
      written?.workload !== undefined && workload === undefined
        ? [`machine ${name}: it does not run, so its workload, names and services are unknown`]
        : [],
  };
}

function interfacesOf(
  state: NamespaceState,
  captured: CapturedNetwork,
): { card: MachineInterface; rules: LabFilterRule[] | undefined }[] {
  return state.links.flatMap(({ name, peerIndex }) => {
    const subnet = captured.subnetOfPort.get(peerIndex ?? 0);
    if (subnet === undefined) return [];
    return interfaceOf(state, name, subnet).map(({ addresses, mac, filtered, rules }) => ({
      card: { name, subnet, addresses: addresses.map((address) => address.split("/")[0]!), mac },
      rules: filtered ? rules : undefined,
    }));
  });
}

/** Id on the host of the process that is number 1 in its own process namespace. */
async function firstProcess(network: string, machine: string): Promise<number | undefined> {
  for (const pid of await processesIn([machineNamespace(network, machine)])) {
    const status = await readFile(`/proc/${pid}/status`, "utf8").catch(() => "");
    const ids = /^NSpid:\s+(.*)$/m.exec(status)?.[1]?.split(/\s+/) ?? [];
    if (ids.length > 1 && ids.at(-1) === "1") return pid;
  }
  return undefined;
}

/** What runs on the machine, without its first process, which is the lab's. */
async function commandLines(network: string, machine: string): Promise<string[]> {
  const first = await firstProcess(network, machine);
  const pids = await processesIn([machineNamespace(network, machine)]);
  const lines = await Promise.all(
    pids
      .filter((pid) => pid !== first)
      .map(async (pid) =>
        (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0").join(" ").trim(),
      ),
  );
  return [...new Set(lines.filter((line) => line !== ""))].sort();
}

/** The data folder as a running machine has it mounted; on a bare machine, the folder when there is something in it. */
async function dataFolderOf(network: string, machine: string, pid: number | undefined): Promise<string | undefined> {
  const folder = join(machineFolder(network, machine), "data");
  if (pid === undefined) return (await readdir(folder).catch(() => [])).length === 0 ? undefined : folder;
  const [mounted, own] = await Promise.all(
    [`/proc/${pid}/root/srv`, folder].map((path) => stat(path).catch(() => undefined)),
  );
  return mounted !== undefined && mounted.ino === own?.ino && mounted.dev === own.dev ? folder : undefined;
}

async function listeningSockets(network: string, machine: string): Promise<ListeningSocket[]> {
  const namespace = namespacePath(machineNamespace(network, machine));
  const { stdout } = await tryRun(["nsenter", `--net=${namespace}`, "ss", "-Hlntup"]);
  const sockets = new Map<string, ListeningSocket>();
  for (const line of stdout.split("\n")) {
    const [protocol, , , , local = ""] = line.trim().split(/\s+/);
    const [, address = "", port] = /^(.*):(\d+)$/.exec(local) ?? [];
    if ((protocol !== "tcp" && protocol !== "udp") || Number(port) >= firstClientPort) continue;
    if (/^(127\.|\[::1\]|\[::ffff:127\.)/.test(address)) continue;
    const program = await programOf(/pid=(\d+)/.exec(line)?.[1]);
    const socket = { protocol, port: Number(port), ...(program === undefined ? {} : { program }) } as const;
    sockets.set(`${protocol} ${port ?? ""}`, socket);
  }
  return [...sockets.values()].sort((a, b) => a.port - b.port);
}

/** The name that a process goes by in its command line; what `ss` shows is the name of one of its threads. */
async function programOf(pid: string | undefined): Promise<string | undefined> {
  if (pid === undefined) return undefined;
  const commandLine = await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "");
  const name = basename(commandLine.split(/[\0 ]/)[0] ?? "").replace(/:$/, "");
  return name === "" ? undefined : name;
}
