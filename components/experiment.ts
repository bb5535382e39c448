import type { AclAction, IpProtocol, TrafficDirection } from "./topology";

/** A definition of what to break, what must stay true, and when to stop. Running it is `shadownet run`. */
export interface Experiment {
  /** One line for people. Defaults to the experiment's name. */
  title?: string;
  /** What must hold before, during and after. Defaults to no hypothesis: the statistics alone decide. */
  hypothesis?: Hypothesis;
  /** What is done, by name. */
  actions: Record<string, ExperimentAction>;
  /** What ends the run at once. Defaults to none. */
  stopConditions?: StopCondition[];
  /** Hard limits, checked before and during a run. Defaults to half of the machines and ten minutes. */
  blastRadius?: BlastRadius;
  /** When it runs by itself. Defaults to never. */
  schedule?: ExperimentSchedule;
  /** How long to watch and what difference matters. Defaults as each field says. */
  analysis?: AnalysisSettings;
}

/** What breaks. */
export const FaultKind = {
  LinkDown: "linkDown",
  Blackhole: "blackhole",
  Latency: "latency",
  PacketLoss: "packetLoss",
  Corruption: "corruption",
  PayloadCorruption: "payloadCorruption",
  Duplicate: "duplicate",
  Reorder: "reorder",
  Bandwidth: "bandwidth",
  MachineCrash: "machineCrash",
  MachineHang: "machineHang",
  CpuExhaustion: "cpuExhaustion",
  MemoryExhaustion: "memoryExhaustion",
  DiskExhaustion: "diskExhaustion",
  IoExhaustion: "ioExhaustion",
  ProcessKill: "processKill",
  DnsFailure: "dnsFailure",
} as const;
export type FaultKind = (typeof FaultKind)[keyof typeof FaultKind];

/** Direction of a fault, seen from its target. */
export const Direction = { Egress: "egress", Ingress: "ingress", Both: "both" } as const;
export type Direction = (typeof Direction)[keyof typeof Direction];

/** What a fault hits: a machine, a link, or a flow on either. */
export interface FaultTarget {
  /** Machine by name or pattern, for example `app-*`. */
  machine?: string;
  /** Link by name: `machine/interface`, or a subnet's name for its attachment to the router. */
  link?: string;
  /** Only packets of this flow, on the machine's links or on the link. Defaults to all packets. */
  flow?: Flow;
}

/** A 5-tuple; a field that is left out matches everything. Source and destination as the packet's sender writes them. */
export interface Flow {
  protocol?: IpProtocol;
  sourceCidr?: string;
  destinationCidr?: string;
  /** A port or a range, `5432` or `8000-8010`. */
  sourcePorts?: string;
  /** A port or a range, `5432` or `8000-8010`. */
  destinationPorts?: string;
  /** New or established connections only. Defaults to both. */
  state?: ConnectionState;
}

/** State of a connection that a flow matches. */
export const ConnectionState = { New: "new", Established: "established" } as const;
export type ConnectionState = (typeof ConnectionState)[keyof typeof ConnectionState];

/** How delays are spread around their mean. */
export const DelayDistribution = {
  Uniform: "uniform",
  Normal: "normal",
  Pareto: "pareto",
  ParetoNormal: "paretonormal",
} as const;
export type DelayDistribution = (typeof DelayDistribution)[keyof typeof DelayDistribution];

/** What a black hole does with packets: silence, an ICMP refusal, or a TCP reset. */
export const BlackholeMode = { Drop: "drop", Reject: "reject", Reset: "reset" } as const;
export type BlackholeMode = (typeof BlackholeMode)[keyof typeof BlackholeMode];

/** How memory is exhausted: by lowering the limit (a real out-of-memory kill) or by pressure from a competing process. */
export const MemoryMode = { Limit: "limit", Pressure: "pressure" } as const;
export type MemoryMode = (typeof MemoryMode)[keyof typeof MemoryMode];

/** What a broken resolver answers. */
export const DnsAnswer = {
  NxDomain: "nxdomain",
  ServFail: "servfail",
  Timeout: "timeout",
  WrongAddress: "wrongAddress",
} as const;
export type DnsAnswer = (typeof DnsAnswer)[keyof typeof DnsAnswer];

/** Values of a fault on packets, which may differ between what its target sends and what it gets. */
export interface DirectionValues {
  /** Mean one-way delay in each chosen direction. */
  delayMilliseconds?: number;
  /** Spread of the delay. Defaults to 0. */
  jitterMilliseconds?: number;
  /** Shape of the spread. Defaults to normal. */
  distribution?: DelayDistribution;
  /** Share of packets, 0–100. */
  percent?: number;
  /** Gilbert-Elliott loss: chance to leave the good state, 0–1. */
  burstP?: number;
  /** Gilbert-Elliott loss: chance to leave the bad state, 0–1. */
  burstR?: number;
  /** Gilbert-Elliott loss: chance to deliver in the bad state, 0–1. Defaults to 0. */
  burstH?: number;
  /** Gilbert-Elliott loss: chance to deliver in the good state, 0–1. Defaults to 1. */
  burstK?: number;
  /** Bits flipped in each corrupted packet. Defaults to 1. */
  bitsPerPacket?: number;
  /** Reordering: every n-th packet is held back. Defaults to the percentage alone. */
  gap?: number;
  /** Most bits per second that pass. */
  bitsPerSecond?: number;
  /** Burst that a bandwidth limit lets through. Defaults to 32 KiB. */
  burstBytes?: number;
  /** What a black hole does. Defaults to drop. */
  mode?: BlackholeMode;
}

/**
 * Settings of one fault. Which of them a kind takes is checked; one that it does not take is refused. Values beside
 * `direction` hold for every chosen direction, except for what `egress` and `ingress` say otherwise.
 */
export interface FaultParameters extends DirectionValues {
  /** Direction, seen from the target. Defaults to both. */
  direction?: Direction;
  /** Values for what the target sends, in place of those of the same name. Defaults to the fault's own values. */
  egress?: DirectionValues;
  /** Values for what the target gets, in place of those of the same name. Defaults to the fault's own values. */
  ingress?: DirectionValues;
  /** Share of a resource that is taken away, 0–100. */
  sharePercent?: number;
  /** How memory is exhausted. Defaults to limit. */
  memoryMode?: MemoryMode;
  /** Pattern of process names for processKill. */
  processPattern?: string;
  /** Signal for processKill. Defaults to KILL. */
  signal?: string;
  /** Time between two kills. Defaults to once. */
  intervalSeconds?: number;
  /** Names whose resolution fails. */
  names?: string[];
  /** What is answered for them. Defaults to nxdomain. */
  answer?: DnsAnswer;
  /** Address given for `wrongAddress`. */
  wrongAddress?: string;
  /** True when a crashed machine stays down after the duration, until the run ends. Defaults to false. */
  staysDown?: boolean;
  /** Seed of random faults. Defaults to the run's seed. */
  seed?: number;
  /**
   * Send ten pings a second across the fault, some shortly before it and the rest until it ends, and count them apart
   * from all other packets. Defaults to false.
   */
  probePackets?: boolean;
  /**
   * Addresses at the other end that answer pings. Defaults to the single addresses that the flow names, else to the
   * routers next to the links, where they are known.
   */
  probeAddresses?: string[];
}

/** One step of an experiment: exactly one of `fault`, `waitSeconds`, `probe`, `command` and `change` is set. */
export interface ExperimentAction extends FaultParameters {
  fault?: FaultKind;
  /** What the fault or command hits. */
  target?: FaultTarget;
  /** How long the fault lasts; with a pulse it is derived from the pulse. */
  durationSeconds?: number;
  /** A fault switched on and off. Defaults to one continuous fault. */
  pulse?: Pulse;
  /** Names of actions that must have ended first. Defaults to the start of the fault phase. */
  startAfter?: string[];
  /** Only wait. */
  waitSeconds?: number;
  /** Only check. */
  probe?: Probe;
  /** A run-book step inside the shadow machine of `target`; its time is measured. */
  command?: string[];
  /** Longest time that the command may take, checked as a recovery-time objective. Defaults to 60. */
  objectiveSeconds?: number;
  /** A rehearsed change of the shadow. */
  change?: ShadowChange;
}

/** A rehearsed change of the shadow, undone after the run unless kept. */
export interface ShadowChange {
  /** Machine whose command, environment, size, routes or filter rules change. */
  machine?: string;
  /** New environment variables of the machine's workload. */
  environment?: Record<string, string>;
  /** New program of the machine's workload. */
  workloadCommand?: string[];
  /**
   * Folder on the lab's host with the files of a new image: the machine starts again with these in place of the host's,
   * its data stays at `/srv`, and what it writes elsewhere goes when the change is taken back.
   */
  image?: string;
  /** New processors. */
  cpus?: number;
  /** New memory. */
  memoryMegabytes?: number;
  /** Routes of the machine beside those that it has, or in place of one with the same destination. */
  routes?: RehearsedRoute[];
  /** Filter rules of the machine beside those that it has. What is denied is so before anything else is looked at. */
  filterRules?: RehearsedRule[];
  /** Keep the change after the run. Defaults to false. */
  keep?: boolean;
}

/** A route that a change rehearses: exactly one of `via` and `blackhole`. */
export interface RehearsedRoute {
  /** IPv4 or IPv6 range, `0.0.0.0/0` for the default route. */
  destination: string;
  /** Address of the next hop, on one of the machine's links. */
  via?: string;
  /** True when packets are dropped. Defaults to false. */
  blackhole?: boolean;
}

/** A filter rule that a change rehearses. */
export interface RehearsedRule {
  /** Whether it lets pass or drops; what is dropped is so on established connections too. */
  action: AclAction;
  direction: TrafficDirection;
  protocol: IpProtocol;
  /** A port or a range, `80` or `8000-8010`. Defaults to all ports. */
  ports?: string;
  /** Peers by range. Defaults to everybody. */
  cidrs?: string[];
}

/** A fault switched on and off; each repetition is a sample. */
export interface Pulse {
  /** Quiet time before the first. Defaults to 0. */
  initialDelaySeconds?: number;
  activeSeconds: number;
  dormantSeconds: number;
  /** How often; 8 or more give a strong exact test, fewer than 6 none at the 5 % level. */
  repeat: number;
  /** Vary each dormant time by up to half, from the seed. Defaults to false. */
  randomise?: boolean;
}

/** What must hold before, during and after a run. */
export interface Hypothesis {
  title?: string;
  probes: Probe[];
}

/** A read-only check of one signal against a range. */
export interface Probe {
  name: string;
  /** Signal, for example `app.latency.p95`. */
  signal: string;
  /** Machine, or nothing for the service as a whole. */
  target?: string;
  tolerance: Tolerance;
}

/** An accepted range; milliseconds for latency, 0–1 for error ratios. */
export interface Tolerance {
  minimum?: number;
  maximum?: number;
}

/** A threshold that ends the run at once. */
export interface StopCondition {
  signal: string;
  target?: string;
  /** Which side is watched. Defaults to shadow. */
  side?: SignalSide;
  above?: number;
  below?: number;
  /** How long it must hold. Defaults to 5. */
  forSeconds?: number;
}

/** Which series: the shadow's, live's, or their calibrated difference. */
export const SignalSide = { Shadow: "shadow", Live: "live", Gap: "gap" } as const;
export type SignalSide = (typeof SignalSide)[keyof typeof SignalSide];

/** Hard limits of a run. */
export interface BlastRadius {
  /** Most machines hit. Defaults to half of them, rounded up. */
  machines?: number;
  /** Largest share of machines hit, 0–100. Defaults to 50. */
  percent?: number;
  /** Most links hit. Defaults to no limit beside the machines. */
  links?: number;
  /** Longest time with faults. Defaults to 600. */
  durationSeconds?: number;
}

/** When an experiment runs by itself; exactly one of `cron` and `rate`. */
export interface ExperimentSchedule {
  /** Five-field cron expression. */
  cron?: string;
  /** `10 minutes`, `6 hours`, `1 day`. */
  rate?: string;
  /** Time zone of the cron expression. Defaults to UTC. */
  timeZone?: string;
  /** Random delay before each start. Defaults to 0. */
  jitterSeconds?: number;
}

/** How long to watch, and what difference matters. */
export interface AnalysisSettings {
  /** Watching before the first fault. Defaults to 60. */
  baselineSeconds?: number;
  /** Samples ignored right after a fault starts. Defaults to 1. */
  settleSeconds?: number;
  /** Watching after the last fault. Defaults to 30. */
  recoverySeconds?: number;
  /** Smallest relative difference of interest, in percent. Defaults to 10. */
  marginPercent?: number;
  /** Length of one sample. Defaults to 1. */
  stepSeconds?: number;
}
