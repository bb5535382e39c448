import type { Direction, FaultKind, FaultParameters, Flow } from "../../experiment";

/** A fault with its parameters and how long it is to last. */
export interface Fault extends FaultParameters {
  kind: FaultKind;
  /** Name that its rules, sets and files carry; unique among faults that are active at the same time. */
  id: string;
  /** Hard limit after which the target undoes it by itself. */
  durationSeconds: number;
}

/**
 * A link as seen by the machine that runs the commands. `side` says which end the device is: `machine` = the machine's
 * own interface (what the machine sends is egress of the device); `network` = the port on the network's side of the
 * cable (what the machine sends is ingress of the device).
 */
export interface ResolvedLink {
  /** Name in the topology: `app-1/eth0`, or a subnet's name. */
  name: string;
  device: string;
  side: "machine" | "network";
  /** Network namespace the device is in. Defaults to the one the commands run in. */
  namespace?: string;
  /** Addresses of the machine on this link. */
  addresses: string[];
  /** Addresses next to the other end that answer pings. Defaults to none that is known. */
  probeAddresses?: string[];
  /**
   * The machine's own end of the cable, where `device` is the network's side: the checksum offload of the sender is
   * switched off there, so that corrupted packets are seen as corrupted.
   */
  peer?: { device: string; namespace?: string };
}

/** A machine as the commands need it. */
export interface ResolvedMachine {
  name: string;
  links: ResolvedLink[];
  /** Network namespace of the machine. Defaults to the one the commands run in. */
  namespace?: string;
  /** cgroup v2 folder, or the v1 folders by controller. */
  cgroups: { unified?: string; cpu?: string; memory?: string; freezer?: string; blkio?: string; pids?: string };
  /** Folder on disk whose filling up is the machine's disk filling up. */
  dataFolder?: string;
  /** File from which the machine resolves names before it asks a server; never the host's own. */
  hostsFile?: string;
  /** Kills everything on the machine at once, as a power cut does. */
  crashCommand?: string[];
  /** Starts the machine again after a crash; does nothing on a running machine. */
  restartCommand?: string[];
  /**
   * True when the restart command itself puts `$SHADOWNET_PLAINLY` before what it starts, so that it may go before
   * ordinary programs as the rest of the undo does. Defaults to false: it runs as an ordinary program.
   */
  restartsPlainly?: boolean;
  /** Exit code 0 while the machine is running. */
  aliveCommand?: string[];
  /** Prefix that runs a command inside the machine, for example `ip netns exec …`. Defaults to none. */
  execPrefix?: string[];
}

/** What a fault hits, resolved; always inside the shadow. */
export interface ResolvedTarget {
  kind: "machine" | "link" | "flow";
  /** As the user wrote it. */
  name: string;
  /** Machines hit as a whole; empty for link and flow targets. */
  machines: ResolvedMachine[];
  /** Links hit: the target link, or the links on which the flow is matched, or all links of the machines. */
  links: ResolvedLink[];
  flow?: Flow;
  /** Ranges and ports that no fault may touch: the management path. */
  exempt: Flow[];
}

/** What the kernel and tools at the target can do, probed in a scratch namespace, never assumed. */
export interface Capabilities {
  netem: boolean;
  tbf: boolean;
  htb: boolean;
  nftNetdevIngress: boolean;
  nftNetdevEgress: boolean;
  vxlan: boolean;
  cgroup: "v1" | "v2" | "none";
  systemdRun: boolean;
  atd: boolean;
  ethtool: boolean;
  /** Packets can be moved from one device to another with the `u32` classifier and the `mirred` action of tc. */
  mirred?: boolean;
  /** Intermediate functional block devices: what arrives can be shaped like what leaves. */
  ifb?: boolean;
  /** Command that starts the delay relay, where a user-space relay can run. */
  relay?: string[];
}

/**
 * One plain command; `ignoreFailure` for undo steps that may find nothing to undo. In arguments and standard input
 * `{state}` stands for the fault's state folder, `{claims}` for the folder of limits that faults share, and `{timeout}`
 * for the milliseconds until the kernel is to end what it carries, all known only where the script runs.
 */
export interface PlanCommand {
  argv: string[];
  /** Text for the command's standard input, for example a ruleset for `nft -f -`. */
  stdin?: string;
  ignoreFailure?: boolean;
  /** Runs on, in the background, until the undo ends it; its process id goes to this file. */
  background?: { pidFile: string };
}

/** A counter that shows what a fault did. */
export interface EffectCounter {
  /** `matched`, `dropped`, `delayed`, `corrupted`, `duplicated`, `reordered`, `overflowed`, `down`, `killed` … */
  name: string;
  /** Prints the counter's value, alone or inside the JSON of `nft -j`, `tc -s -j` or `ip -s -j`. */
  argv: string[];
  /** How the number is found in the output. */
  parse: { kind: "number" } | { kind: "nftCounter"; counter: string } | { kind: "qdiscDrops"; handle: string };
}

/** What happens to carry out one fault on one target; only data, so that every back end can transport it. */
export interface FaultPlan {
  /** The fault's id. */
  id: string;
  fault: Fault;
  target: string;
  /** Machines and links that it touches, by name: what the blast radius counts. */
  touches: { machines: string[]; links: string[] };
  /** How it is done: `nft`, `netem`, `relay`, `tbf`, `carrier`, `cgroup`, `signal` … */
  mechanism: string;
  /** True when the kernel ends it by itself soon after the heartbeat stops. */
  selfHealing: boolean;
  /** Seconds between heartbeats; 0 when the plan needs none beside its timer. */
  heartbeatSeconds: number;
  apply: PlanCommand[];
  verify: PlanCommand[];
  /** Idempotent: may run several times, and on a target that is gone. */
  undo: PlanCommand[];
  /** Each succeeds when nothing of the fault is left, also on a target that is gone. Defaults to none. */
  undone?: PlanCommand[];
  /** Keeps a self-healing fault alive for another few heartbeats. */
  heartbeat: PlanCommand[];
  effect: EffectCounter[];
  /** Sentences for the journal: offload state, which end, what is one-way. */
  notes: string[];
  direction: Direction;
}

/** What a plan's counters said. */
export interface FaultEffect {
  counters: Record<string, number>;
  /** Asked strength and the measured one, in the unit of the fault's main parameter; left out where it has none. */
  asked?: number;
  measured?: number;
  unit?: string;
  /** True when the counters prove that the fault happened. */
  proven: boolean;
  /** Why, in a sentence. */
  why: string;
  /** Each direction by itself, where their values were asked for separately. Defaults to both together. */
  directions?: Record<"egress" | "ingress", DirectionEffect>;
  /** What came of probe packets, where they were asked for; they are in no other count. */
  probes?: { during: ProbeCounts; before: ProbeCounts };
}

/** Probe packets sent, those that were answered, and the mean time that took; left out where none was. */
export interface ProbeCounts {
  sent: number;
  answered: number;
  roundTripMilliseconds?: number;
}

/** What the counters said of one direction. */
export type DirectionEffect = Pick<FaultEffect, "asked" | "measured" | "unit" | "proven" | "why">;
