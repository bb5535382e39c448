import { readFileSync } from "node:fs";
import { join } from "node:path";

import { probeCapabilities } from "../../components/runtime/faults/capabilities";
import { compile } from "../../components/runtime/faults/compile";
import { interpretEffect } from "../../components/runtime/faults/effect";
import type {
  Capabilities,
  Fault,
  FaultEffect,
  FaultPlan,
  ResolvedMachine,
  ResolvedTarget,
} from "../../components/runtime/faults/plan";
import { type ScriptOptions, renderScript } from "../../components/runtime/faults/script";
import { Guest } from "../support/guest";

export type Family = 4 | 6;
export type TargetKind = ResolvedTarget["kind"];

/** What went from one machine to the other: `hit` goes to the port of the flow that faults aim at, `twin` to another. */
export interface Stream {
  from: "a" | "b";
  family: Family;
  port: number;
}

/** What of a stream arrived; times of one way in milliseconds. */
export type Arrived = Record<
  "received" | "wrong" | "duplicates" | "overtaken" | "least" | "median" | "p95" | "mean" | "deviation",
  number
>;

export const hitPort = 7001;
export const twinPort = 7002;
const addresses = { a: { 4: "10.9.0.1", 6: "fd09::1" }, b: { 4: "10.9.0.2", 6: "fd09::2" } } as const;
const scriptFile = "/run/fault.sh";
export const stateFolder = "/run/shadownet/faults/guest";

/** Two machines on a switch: the guest itself is machine b, as bare as it was booted; a and the switch are namespaces. */
const layOut = `ip netns add a && ip netns add s
ip -n s link add br0 type bridge mcast_snooping 0
ip -n s link set br0 addrgenmode none up
ip link set lo up
ip -n a link set lo up
ip link add eth0 type veth peer name pb netns s
ip -n a link add eth0 type veth peer name pa netns s
for port in pa pb; do ip -n s link set $port addrgenmode none master br0 up; done
ip link set eth0 addrgenmode none up
ip -n a link set eth0 addrgenmode none up
ip addr add ${addresses.b[4]}/24 dev eth0
ip addr add ${addresses.b[6]}/64 dev eth0 nodad
ip -n a addr add ${addresses.a[4]}/24 dev eth0
ip -n a addr add ${addresses.a[6]}/64 dev eth0 nodad
ip route add 10.77.0.0/16 via ${addresses.a[4]}
ip -6 route add fd77::/64 via ${addresses.a[6]}
for address in ${addresses.a[4]} ${addresses.a[6]}; do ping -q -c 1 -W 20 $address; done`;

/** Everything that a fault could leave behind. */
const kernelState = `for place in a s .; do
  in="ip netns exec $place"; [ "$place" != . ] || in=
  $in nft list ruleset
  $in tc qdisc
  $in ip -o link
  $in ip -o addr
  $in ip -4 route
  $in ip -6 route
  for device in eth0 pa pb; do $in ethtool -k $device 2>/dev/null; done
done | sed 's/ tentative//; s/ state [A-Z]*//; s/valid_lft.*//'`;
export const dump = `${kernelState}
find /run/shadownet -type f ! -path /run/shadownet/claims/lock
ls /run/netns
ps -e -o args= | grep '[s]hadownet/faults'
[ ! -d /run/systemd/system ] || systemctl list-units --all --plain --no-legend 'shadownet-fault*'
atq
true`;

function waiting(condition: string, seconds: number): string {
  return `end=$(($(cut -d . -f 1 /proc/uptime) + ${seconds}))
until ${condition}; do
  [ "$(cut -d . -f 1 /proc/uptime)" -lt "$end" ] || exit 1
  sleep 0.1
done`;
}

/** The machine under test, and a neighbour that it talks to over a switch. */
export class NetemBed {
  private constructor(
    readonly guest: Guest,
    readonly capabilities: Capabilities,
    /** The state without any fault. */
    readonly before: string,
  ) {}

  static async make(image: string, init: "systemd" | "plain"): Promise<NetemBed> {
    const guest = await Guest.boot(image, init);
    try {
      // What waits for the host's disk sees the guest's clock jump, so that everything is read once before.
      await guest.run("find /usr/bin /usr/sbin /usr/lib/x86_64-linux-gnu -type f -exec cat {} + >/dev/null");
      await guest.run(layOut);
      await guest.execute(["tee", "/run/traffic.pl"], {
        stdin: readFileSync(join(__dirname, "netemTraffic.pl"), "utf8"),
      });
      const capabilities = await probeCapabilities(guest.execute);
      await guest.run(`(${kernelState}) | md5sum >/run/before`);
      return new NetemBed(guest, capabilities, await guest.run(dump));
    } catch (error) {
      await guest.close();
      throw error;
    }
  }

  /** The machine and a flow to it at its own interface; its link at the switch's port, as a lab sees it. */
  target(kind: TargetKind): ResolvedTarget {
    const own = Object.values(addresses.b);
    const inside = { name: "b/eth0", device: "eth0", side: "machine" as const, addresses: own };
    const port = { device: "pb", namespace: "s", side: "network" as const };
    const link = kind === "link" ? { ...inside, ...port, peer: { device: "eth0" } } : inside;
    const machine: ResolvedMachine = { name: "b", links: [link], cgroups: {} };
    const flow = { protocol: "udp" as const, destinationPorts: `${hitPort}` };
    return {
      kind,
      name: kind === "link" ? "b/eth0" : "b",
      machines: kind === "machine" ? [machine] : [],
      links: [link],
      exempt: [],
      ...(kind === "flow" ? { flow } : {}),
    };
  }

  plan(fault: Omit<Fault, "id" | "durationSeconds"> & Partial<Fault>, target: TargetKind): FaultPlan {
    return compile({ id: "guest", durationSeconds: 60, seed: 7, ...fault }, this.target(target), this.capabilities);
  }

  /** Puts the script of a plan on the machine; nothing but that script does the rest. */
  async write(plan: FaultPlan, options: ScriptOptions = { heartbeats: false }): Promise<void> {
    const stdin = renderScript(plan, { stateFolder, ...options });
    const { code, stderr } = await this.guest.execute(["tee", scriptFile], { stdin });
    if (code !== 0) throw new Error(stderr);
  }

  /**
   * Runs shell texts one after another, without the host between them: while the guest waits for the host its clock runs
   * ahead. Returns what each printed; one that fails is an error unless its text ends with `|| true`.
   */
  async steps<Name extends string>(texts: Record<Name, string>): Promise<Record<Name, string>> {
    const names = Object.keys(texts) as Name[];
    const lines = names.map((name) => `(\n${texts[name]}\n) 2>&1\nprintf '\\n@@%s\\n' $?`);
    const parts = (await this.guest.run(lines.join("\n"), 900_000)).split(/\n@@(\d+)\n/);
    return Object.fromEntries(
      names.map((name, index) => {
        const [printed = "", code] = parts.slice(2 * index);
        if (code !== "0") throw new Error(`${name}: exit code ${code ?? "none"}: ${printed}`);
        return [name, printed];
      }),
    ) as Record<Name, string>;
  }

  /** Text that calls the script. */
  script(command: string): string {
    return `sh ${scriptFile} ${command}`;
  }

  /** Text that sends datagrams through the streams in turns: as many through each, so many a second of all together. */
  traffic(streams: readonly Stream[], count: number, rate: number, linger = 0.4): string {
    const place = { a: "a", b: "-" };
    const ends = streams.map(({ from, family, port }) => {
      const to = from === "a" ? "b" : "a";
      return `${place[from]} ${place[to]} ${addresses[to][family]} ${port}`;
    });
    return `perl /run/traffic.pl ${count} ${rate} ${linger} ${ends.join(" ")}`;
  }

  /** Text that pings the machine from its neighbour. */
  ping(family: Family, count = 20): string {
    return `ip netns exec a ping -q -c ${count} -i 0.01 -W 1 ${addresses.b[family]} || true`;
  }

  /** Text that waits until the fault says that nothing of it is left, and no longer than so many seconds. */
  untilOver(seconds: number): string {
    return waiting(`[ ! -e ${stateFolder} ] || [ -e ${stateFolder}/clean ]`, seconds);
  }

  /** Text that waits until the kernel's state is that before any fault and nobody works on it, as {@link untilOver}. */
  untilClean(seconds: number): string {
    const nobody = "[ -z \"$(ps -e -o args= | grep '[s]hadownet/faults')\" ]";
    return waiting(`${nobody} && [ "$( (${kernelState}) | md5sum)" = "$(cat /run/before)" ]`, seconds);
  }

  dump(): Promise<string> {
    return this.guest.run(dump);
  }

  close(): Promise<void> {
    return this.guest.close();
  }
}

/** What the lines that a script printed say. */
export function saidBy(printed: string): Record<string, string>[] {
  const lines = printed.split("\n").filter((line) => line.startsWith("{"));
  return lines.map((line) => JSON.parse(line) as Record<string, string>);
}

/** What a traffic program printed: the streams in their order. */
export function arrivedOf(printed: string): Arrived[] {
  const [line, ...more] = printed.trim().split("\n");
  if (more.length > 0 || !line!.startsWith("[")) throw new Error(printed);
  return JSON.parse(line!) as Arrived[];
}

/** What a script's counters say of its plan. */
export function effectOf(plan: FaultPlan, printed: string): FaultEffect {
  const [said] = saidBy(printed) as unknown as [{ counters: Record<string, number> }];
  return interpretEffect(plan, said.counters);
}

/** The share of pings that were answered, 0–1, and the shortest round trip in milliseconds. */
export function pinged(printed: string): { answered: number; least: number } {
  const [, sent, received] = /(\d+) packets transmitted, (\d+) received/.exec(printed) ?? [];
  return { answered: Number(received) / Number(sent), least: Number(/= ([\d.]+)\//.exec(printed)?.[1] ?? -1) };
}
