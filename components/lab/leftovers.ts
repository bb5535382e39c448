import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import { namespacePrefix, networkFolder } from "./kernel/names";
import { listNetworks } from "./kernel/network";

/** Settings of {@link findLeftovers}. */
export interface LeftoverSettings {
  /** Leave out what belongs to networks that are known and meant to be there. Defaults to false: report them too. */
  ignoreKnownNetworks?: boolean;
}

/** Everything on this host that the lab made and that is still there, one sentence each with how to remove it. */
export async function findLeftovers(settings: LeftoverSettings = {}): Promise<string[]> {
  const networks = (await listNetworks()).map(({ network }) => network);
  const known = new Set(settings.ignoreKnownNetworks === true ? networks : []);
  const [namespaces, groups, folders, processes] = await Promise.all([
    leftNamespaces(known),
    leftControlGroups(known),
    leftFolders(known),
    leftProcesses(known),
  ]);
  return [...namespaces, ...groups, ...folders, ...processes];
}

/** Faults of any shadow on this host that are still armed, by network. */
export async function armedFaults(): Promise<{ network: string; fault: string }[]> {
  const networks = await listNetworks();
  const perNetwork = await Promise.all(
    networks.map(async ({ network }) => {
      const faults = await names(join(networkFolder(network), "faults"));
      return faults.map((fault) => ({ network, fault }));
    }),
  );
  return perNetwork.flat();
}

async function leftNamespaces(known: ReadonlySet<string>): Promise<string[]> {
  const all = await names("/run/netns");
  return all
    .filter((name) => name.startsWith(namespacePrefix) && !known.has(networkOf(name)))
    .map((name) => `network namespace ${name}`);
}

function networkOf(namespace: string): string {
  return namespace.slice(namespacePrefix.length).split(".")[0] ?? "";
}

async function leftControlGroups(known: ReadonlySet<string>): Promise<string[]> {
  const roots = ["unified", "cpu", "cpuacct", "memory", "freezer", "blkio", "pids", ""];
  const perRoot = await Promise.all(
    roots.map(async (controller) => {
      const folder = join("/sys/fs/cgroup", controller, "shadownet");
      return (await folderNames(folder))
        .filter((network) => !known.has(network))
        .map((network) => join(folder, network));
    }),
  );
  return [...new Set(perRoot.flat())].map((folder) => `control group ${folder}`);
}

async function leftFolders(known: ReadonlySet<string>): Promise<string[]> {
  const folder = networkFolder("");
  return (await folderNames(folder)).filter((name) => !known.has(name)).map((name) => `folder ${join(folder, name)}`);
}

/** Processes that live in a namespace of the lab, found by the namespace files they were started with. */
async function leftProcesses(known: ReadonlySet<string>): Promise<string[]> {
  const pids = (await names("/proc")).filter((name) => /^\d+$/.test(name));
  const found = await Promise.all(
    pids.map(async (pid) => {
      const groups = await readFile(join("/proc", pid, "cgroup"), "utf8").catch(() => "");
      const network = /:\/shadownet\/([^/\n]+)\//.exec(groups)?.[1];
      if (network === undefined || known.has(network)) return undefined;
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
