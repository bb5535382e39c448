import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import { listChanges } from "./changes";
import { armedFaultsOf } from "./faults";
import { namespacePrefix, networkFolder } from "./kernel/names";
import { processesIn } from "./kernel/namespaces";
import { listNetworks, listStrayNamespaces } from "./kernel/network";

/** Settings of {@link findLeftovers}. */
export interface LeftoverSettings {
  /** Leave out what belongs to networks that are known and meant to be there. Defaults to false: report them too. */
  ignoreKnownNetworks?: boolean;
  /** Look for parts of these networks alone, known or not. Defaults to everything but other state folders' networks. */
  only?: readonly string[];
}

/** A lab network on this host that this state folder does not know. */
export interface ForeignNetwork {
  network: string;
  namespaces: number;
  /** The state folder whose programs run in it; left out when none run, so that it may be a leftover. */
  stateFolder?: string;
}

/** Everything on this host that the lab made and that is still there, one sentence each with how to remove it. */
export async function findLeftovers(settings: LeftoverSettings = {}): Promise<string[]> {
  const { ignoreKnownNetworks = false, only } = settings;
  const networks = (await listNetworks()).map(({ network }) => network);
  const foreign = (await foreignNetworks()).map(({ network }) => network);
  const ignored = new Set([...(ignoreKnownNetworks ? networks : []), ...foreign]);
  const isWanted = (network: string): boolean => (only === undefined ? !ignored.has(network) : only.includes(network));
  const [namespaces, groups, folders, processes] = await Promise.all([
    leftNamespaces(isWanted),
    leftControlGroups(isWanted),
    leftFolders(isWanted),
    leftProcesses(isWanted),
  ]);
  return [...namespaces, ...groups, ...folders, ...processes];
}

/** Networks whose namespaces are on this host without this state folder knowing them: they are left alone. */
export async function foreignNetworks(): Promise<ForeignNetwork[]> {
  const byNetwork = new Map<string, string[]>();
  for (const namespace of await listStrayNamespaces()) {
    const network = networkOf(namespace);
    byNetwork.set(network, [...(byNetwork.get(network) ?? []), namespace]);
  }
  return Promise.all(
    [...byNetwork].map(async ([network, namespaces]) => {
      const stateFolder = await stateFolderOf(network, namespaces);
      return { network, namespaces: namespaces.length, ...(stateFolder === undefined ? {} : { stateFolder }) };
    }),
  );
}

/** The folder is in the command line of whatever the lab starts. */
async function stateFolderOf(network: string, namespaces: readonly string[]): Promise<string | undefined> {
  for (const pid of await processesIn(namespaces)) {
    const words = (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).split("\0");
    const word = words.find((each) => each.includes(`/lab/${network}/`));
    if (word !== undefined) return word.slice(0, word.indexOf(`/lab/${network}/`));
  }
  return undefined;
}

/** Faults that are on and rehearsed changes that are in place, of every network on this host, one sentence each. */
export async function activeDisturbances(): Promise<{ network: string; what: string }[]> {
  const networks = await listNetworks();
  const perNetwork = await Promise.all(
    networks.map(async ({ network }) => {
      const faults = (await armedFaultsOf(network)).map((fault) => `fault "${fault}" is on`);
      const changes = (await listChanges(network)).map(({ summary }) => `a rehearsed change is in place, ${summary}`);
      return [...faults, ...changes].map((what) => ({ network, what }));
    }),
  );
  return perNetwork.flat();
}

type IsWanted = (network: string) => boolean;

async function leftNamespaces(isWanted: IsWanted): Promise<string[]> {
  const all = await names("/run/netns");
  return all
    .filter((name) => name.startsWith(namespacePrefix) && isWanted(networkOf(name)))
    .map((name) => `network namespace ${name}`);
}

function networkOf(namespace: string): string {
  return namespace.slice(namespacePrefix.length).split(".")[0] ?? "";
}

async function leftControlGroups(isWanted: IsWanted): Promise<string[]> {
  const roots = ["unified", "cpu", "cpuacct", "memory", "freezer", "blkio", "pids", ""];
  const perRoot = await Promise.all(
    roots.map(async (controller) => {
      const folder = join("/sys/fs/cgroup", controller, "shadownet");
      return (await folderNames(folder)).filter(isWanted).map((network) => join(folder, network));
    }),
  );
  return [...new Set(perRoot.flat())].map((folder) => `control group ${folder}`);
}

async function leftFolders(isWanted: IsWanted): Promise<string[]> {
  const folder = networkFolder("");
  return (await folderNames(folder)).filter(isWanted).map((name) => `folder ${join(folder, name)}`);
}

/** Processes that live in a namespace of the lab, found by the namespace files they were started with. */
async function leftProcesses(isWanted: IsWanted): Promise<string[]> {
  const pids = (await names("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const groups = await readFile(join("/proc", pid, "cgroup"), "utf8").catch(() => "");
      const network = /:\/shadownet\/([^/\n]+)\//.exec(groups)?.[1];
      if (network === undefined || !isWanted(network)) return undefined;
      const commandLine = (await readFile(join("/proc", pid, "cmdline"), "utf8").catch(() => "")).replaceAll("\0", " ");
      return `process ${pid} of "${network}": ${commandLine.trim().slice(0, 80)}`;
    }),
  );
  return found.filter((sentence) => sentence !== undefined);
}

async function names(folder: string): Promise<string[]> {
  return readdir(folder).catch(() => []);
}

async function folderNames(folder: string): Promise<string[]> {
  const entries = await readdir(folder, { withFileTypes: true }).catch(() => []);
  return entries.filter((entry) => entry.isDirectory()).map(({ name }) => name);
}
