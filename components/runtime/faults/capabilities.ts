import { existsSync } from "node:fs";
import { join } from "node:path";

import { type CommandResult, tryRun } from "../../internal/exec";
import { ShadownetError } from "../../internal/problems";
import type { Capabilities } from "./plan";

/** Runs a command where faults are to be made, with a text for its standard input. */
type Execute = (argv: readonly string[], options?: { stdin?: string }) => Promise<CommandResult>;

/**
 * Finds out what faults can be made of on this host, by trying each in a namespace of its own that is removed again.
 * With `execute` it is found out where that runs its commands, which has no relay. Throws a ShadownetError when
 * iproute2 or nftables is not installed or namespaces cannot be made.
 */
export async function probeCapabilities(execute?: Execute): Promise<Capabilities> {
  const scratch = `snprobe${process.pid}`;
  const at = execute ?? tryRun;
  const must = async (...argv: string[]): Promise<void> => {
    const { code, stderr } = await at(argv);
    if (code === 0) return;
    throw new ShadownetError("command-failed", `${argv.join(" ")}: ${stderr.trim() || `exit code ${code}`}`);
  };
  await must("ip", "netns", "add", scratch);
  try {
    await must("ip", "-n", scratch, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1");
    const capabilities = await probeIn(scratch, at);
    return execute === undefined ? await withRelay(capabilities) : capabilities;
  } finally {
    await at(["ip", "netns", "delete", scratch]);
  }
}

type Works = (...argv: string[]) => Promise<boolean>;

async function probeIn(scratch: string, execute: Execute): Promise<Capabilities> {
  const works: Works = async (...argv) => (await execute(argv)).code === 0;
  const exists = (path: string): Promise<boolean> => works("test", "-e", path);
  const hasTool = (name: string): Promise<boolean> => works("sh", "-c", `command -v ${name}`);
  const qdisc = async (...kind: string[]): Promise<boolean> => {
    const added = await works("tc", "-n", scratch, "qdisc", "add", "dev", "probe0", ...kind);
    await execute(["tc", "-n", scratch, "qdisc", "delete", "dev", "probe0", kind[0]!]);
    return added;
  };
  const link = (name: string, ...kind: string[]): Promise<boolean> =>
    works("ip", "-n", scratch, "link", "add", name, "type", ...kind);
  const hook = async (name: string): Promise<boolean> => {
    const stdin = `table netdev probe_${name} {\n chain c {\n  type filter hook ${name} device "probe0" priority 0;\n }\n}\n`;
    return (await execute(["ip", "netns", "exec", scratch, "nft", "-f", "-"], { stdin })).code === 0;
  };
  return {
    netem: await qdisc("root", "netem", "delay", "1ms"),
    tbf: await qdisc("root", "tbf", "rate", "1mbit", "burst", "32k", "latency", "50ms"),
    htb: await qdisc("root", "htb"),
    nftNetdevIngress: await hook("ingress"),
    nftNetdevEgress: await hook("egress"),
    vxlan: await link("probe2", "vxlan", "id", "1", "dstport", "4789", "dev", "probe0", "gbp"),
    cgroup: await cgroupVersion(exists),
    systemdRun: (await exists("/run/systemd/system")) && (await hasTool("systemd-run")),
    atd: (await exists("/run/atd.pid")) && (await hasTool("at")),
    ethtool: await hasTool("ethtool"),
    mirred: await mirredWorks(scratch, works),
    ifb: await link("probe3", "ifb"),
  };
}

async function withRelay(capabilities: Capabilities): Promise<Capabilities> {
  const relay = relayCommand();
  const relayable = capabilities.vxlan && capabilities.mirred === true && capabilities.ethtool;
  if (!relayable || relay === undefined) return capabilities;
  const isThere = (await tryRun(["sh", "-c", "command -v chrt"])).code === 0;
  const first = isThere && (await tryRun([...realTime, "true"])).code === 0 ? realTime : [];
  return { ...capabilities, relay: [...first, ...relay] };
}

/** The relay goes before ordinary programs: niceness alone does not, where each session has a share of its own. */
const realTime = ["chrt", "--rr", "1"];

async function mirredWorks(scratch: string, works: Works): Promise<boolean> {
  const all = ["parent", "ffff:", "protocol", "all", "u32", "match", "u32", "0", "0"];
  return (
    (await works("tc", "-n", scratch, "qdisc", "add", "dev", "probe1", "ingress")) &&
    (await works(
      ...["tc", "-n", scratch, "filter", "add", "dev", "probe1", ...all],
      ...["action", "mirred", "ingress", "redirect", "dev", "probe0"],
    ))
  );
}

async function cgroupVersion(exists: (path: string) => Promise<boolean>): Promise<Capabilities["cgroup"]> {
  if (await exists("/sys/fs/cgroup/cgroup.controllers")) return "v2";
  const controllers = await Promise.all(["freezer", "memory", "cpu"].map((name) => exists(`/sys/fs/cgroup/${name}`)));
  return controllers.every(Boolean) ? "v1" : "none";
}

/** The relay as it was built; in a checkout that was never built, its source with what runs TypeScript there. */
function relayCommand(): string[] | undefined {
  const built = join(__dirname, "..", "..", "..", "dist", "components", "runtime", "faults", "relay", "main.js");
  const program = [join(__dirname, "relay", "main.js"), built].find((path) => existsSync(path));
  if (program !== undefined) return [process.execPath, program];
  const source = join(__dirname, "relay", "main.ts");
  try {
    return existsSync(source) ? [process.execPath, "--import", require.resolve("tsx"), source] : undefined;
  } catch {
    return undefined;
  }
}
