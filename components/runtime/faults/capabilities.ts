import { existsSync } from "node:fs";
import { join } from "node:path";

import { run, tryRun } from "../../internal/exec";
import type { Capabilities } from "./plan";

/**
 * Finds out what faults can be made of here, by trying each in a namespace of its own that is removed again. Throws a
 * ShadownetError when iproute2 or nftables is not installed or namespaces cannot be made.
 */
export async function probeCapabilities(): Promise<Capabilities> {
  const scratch = `snprobe${process.pid}`;
  await run(["ip", "netns", "add", scratch]);
  try {
    await run(["ip", "-n", scratch, "link", "add", "probe0", "type", "veth", "peer", "name", "probe1"]);
    return await probeIn(scratch);
  } finally {
    await tryRun(["ip", "netns", "delete", scratch]);
  }
}

async function probeIn(scratch: string): Promise<Capabilities> {
  const works = async (...argv: string[]): Promise<boolean> => (await tryRun(argv)).code === 0;
  const qdisc = async (...kind: string[]): Promise<boolean> => {
    const added = await works("tc", "-n", scratch, "qdisc", "add", "dev", "probe0", ...kind);
    await tryRun(["tc", "-n", scratch, "qdisc", "delete", "dev", "probe0", kind[0]!]);
    return added;
  };
  const link = (name: string, ...kind: string[]): Promise<boolean> =>
    works("ip", "-n", scratch, "link", "add", name, "type", ...kind);
  const hook = async (name: string): Promise<boolean> => {
    const stdin = `table netdev probe_${name} {\n chain c {\n  type filter hook ${name} device "probe0" priority 0;\n }\n}\n`;
    return (await tryRun(["ip", "netns", "exec", scratch, "nft", "-f", "-"], { stdin })).code === 0;
  };
  const capabilities: Capabilities = {
    netem: await qdisc("root", "netem", "delay", "1ms"),
    tbf: await qdisc("root", "tbf", "rate", "1mbit", "burst", "32k", "latency", "50ms"),
    htb: await qdisc("root", "htb"),
    nftNetdevIngress: await hook("ingress"),
    nftNetdevEgress: await hook("egress"),
    vxlan: await link("probe2", "vxlan", "id", "1", "dstport", "4789", "dev", "probe0", "gbp"),
    cgroup: cgroupVersion(),
    systemdRun: existsSync("/run/systemd/system") && (await hasTool("systemd-run")),
    atd: existsSync("/run/atd.pid") && (await hasTool("at")),
    ethtool: await hasTool("ethtool"),
    mirred: await mirredWorks(scratch, works),
    ifb: await link("probe3", "ifb"),
  };
  const relay = relayCommand();
  const relayable = capabilities.vxlan && capabilities.mirred === true && capabilities.ethtool;
  if (!relayable || relay === undefined) return capabilities;
  const first = (await hasTool("chrt")) && (await works(...realTime, "true")) ? realTime : [];
  return { ...capabilities, relay: [...first, ...relay] };
}

/** The relay goes before ordinary programs: niceness alone does not, where each session has a share of its own. */
const realTime = ["chrt", "--rr", "1"];

async function mirredWorks(scratch: string, works: (...argv: string[]) => Promise<boolean>): Promise<boolean> {
  const filter = [
    "filter",
    "add",
    "dev",
    "probe1",
    "parent",
    "ffff:",
    "protocol",
    "all",
    "u32",
    "match",
    "u32",
    "0",
    "0",
  ];
  return (
    (await works("tc", "-n", scratch, "qdisc", "add", "dev", "probe1", "ingress")) &&
    (await works("tc", "-n", scratch, ...filter, "action", "mirred", "ingress", "redirect", "dev", "probe0"))
  );
}

async function hasTool(name: string): Promise<boolean> {
  return (await tryRun(["sh", "-c", `command -v ${name}`])).code === 0;
}

function cgroupVersion(): Capabilities["cgroup"] {
  if (existsSync("/sys/fs/cgroup/cgroup.controllers")) return "v2";
  const controllers = ["freezer", "memory", "cpu"].filter((name) => existsSync(join("/sys/fs/cgroup", name)));
  return controllers.length === 3 ? "v1" : "none";
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
