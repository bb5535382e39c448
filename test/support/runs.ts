import { Signal } from "../../components/monitor";
import type { Experiment } from "../../components/experiment";
import type { SignalPoint } from "../../components/runtime/runner/driver";
import type {
  Effect,
  Journal,
  JournalExperiment,
  JournalFault,
  RecordedRun,
  Verdict,
} from "../../components/runtime/runner/journal";
import { type Layout, type Window, estimate, layOut, machines, makePoints, roleOf, seededRandom } from "./runSamples";

/** Settings of {@link syntheticRun}. */
export interface SyntheticRunOptions {
  /** Defaults to 7. */
  seed?: number;
  /** Stretches every phase; 15 makes a run of one hour. Defaults to 1. */
  stretch?: number;
  /** Milliseconds since 1970. Defaults to a fixed day. */
  startedAt?: number;
  /** Multiplies every effect. Defaults to 1. */
  strength?: number;
}

/** A run of three experiments on a shop, about four minutes long, as the runner and the analysis would have left it. */
export function syntheticRun(options: SyntheticRunOptions = {}): RecordedRun {
  const { seed = 7, stretch = 1, strength = 1 } = options;
  const startedAt = options.startedAt ?? Date.UTC(2026, 10, 23, 10, 15, 0);
  const random = seededRandom(seed);
  const layout = layOut(startedAt, stretch);
  const points = makePoints(layout, random, strength);
  const experiments = makeExperiments(layout, points, strength);
  const journal: Journal = {
    version: 1,
    id: `20261123-101500-${seed.toString(16).padStart(4, "0")}`,
    network: "shop-shadow",
    backEnd: "lab",
    status: "completed",
    startedAt: new Date(startedAt).toISOString(),
    endedAt: new Date(layout.end).toISOString(),
    seed,
    command: ["shadownet", "run", "dbLink", "slowFlow", "appCrash", "--network", "shop-shadow"],
    versions: { shadownet: "0.1.0", node: "24.21.0", kernel: "6.18.0", nftables: "1.0.6", iproute2: "6.1.0" },
    capabilities: { netem: false, tbf: true, htb: true, nftNetdevIngress: true, nftNetdevEgress: true, cgroup: "v1" },
    shadow: {
      machines: machines.map((name) => ({ name, role: roleOf(name) })),
      links: [...machines.map((name) => `${name}/eth0`), "front", "app", "data"],
      services: [
        { name: "shop", port: 80, machines: ["web-1", "web-2"], edge: true },
        { name: "orders", port: 8080, machines: ["app-1", "app-2"], edge: false },
        { name: "store", port: 6379, machines: ["data-1", "data-2"], edge: false },
      ],
      fidelity: [
        ...machines.map((name) => ({
          subject: `machines/${name}`,
          outcome: "cloned",
          reason: "same addresses, program and data",
        })),
        {
          subject: "boundaries/internet",
          outcome: "substituted",
          reason: "a sink takes its place: the shadow reaches nothing outside",
        },
        {
          subject: "machines/client-1",
          outcome: "dropped",
          reason: "lies behind the boundary internet; the gateway plays it",
        },
        {
          subject: "machines/client-2",
          outcome: "dropped",
          reason: "lies behind the boundary internet; the gateway plays it",
        },
      ],
    },
    phases: layout.phases,
    events: makeEvents(layout, experiments),
    experiments,
    coverage: {
      onWire: 9_482,
      replayed: 9_391,
      lostByMirror: 12,
      unusable: { "flow began before the mirror": 41, "response missing": 9 },
      shed: { "connection limit": 29 },
      coverage: 9_391 / 9_482,
    },
    alarms: makeAlarms(layout),
    verdict: "fail",
    sentence:
      "Losing the link between app and data breaks the shop: 97 % of requests fail. It comes back by itself 1.3 s after the link does.",
  };
  return { journal, points };
}

/** The same run, killed in the middle of its second experiment: no verdict, no analysis, phases left open. */
export function cutRun(): RecordedRun {
  const { journal, points } = syntheticRun();
  const cutAt =
    journal.phases.find(({ name, experiment }) => name === "fault" && experiment === "slowFlow")!.startedAt + 7_500;
  const before = journal.phases.filter(({ startedAt }) => startedAt < cutAt);
  const experiments = journal.experiments
    .slice(0, 2)
    .map((experiment, index) => (index === 0 ? experiment : bare(experiment)));
  const cut: Journal = {
    ...journal,
    verdict: undefined,
    sentence: undefined,
    coverage: undefined,
    status: "interrupted",
    statusReason: "the run was cut off: its process ended without closing the journal",
    endedAt: new Date(cutAt).toISOString(),
    phases: before.map((phase) => ({ ...phase, endedAt: Math.min(phase.endedAt ?? cutAt, cutAt) })),
    events: journal.events.filter(({ time }) => time < cutAt),
    experiments,
    alarms: journal.alarms.filter(({ time }) => time < cutAt),
  };
  return { journal: cut, points: points.filter(({ time }) => time < cutAt) };
}

function bare(experiment: JournalExperiment): JournalExperiment {
  const faults = experiment.faults.map((fault) => ({
    ...fault,
    effect: undefined,
    windows: fault.windows.slice(0, 1),
  }));
  const probes = experiment.probes.filter(({ when }) => when === "before");
  return { ...experiment, verdict: undefined, sentence: undefined, faults, probes, effects: [] };
}

function makeExperiments(layout: Layout, points: SignalPoint[], strength: number): JournalExperiment[] {
  const tolerance = { name: "checkout stays fast", signal: Signal.LatencyP95, tolerance: { maximum: 400 } };
  const errors = { name: "hardly any errors", signal: Signal.Errors, tolerance: { maximum: 0.05 } };
  const definition = (title: string, actions: Experiment["actions"]): Experiment => ({
    title,
    hypothesis: { title: "the shop answers", probes: [tolerance, errors] },
    actions,
    analysis: { baselineSeconds: 35, recoverySeconds: 15, marginPercent: 10 },
  });
  const probes = (during: [number, number]): JournalExperiment["probes"] => [
    { name: tolerance.name, when: "before", value: 97.1, ok: true, why: "97 ms is at most 400 ms" },
    {
      name: tolerance.name,
      when: "during",
      value: during[0],
      ok: during[0] <= 400,
      why: `${during[0]} ms against at most 400 ms`,
    },
    { name: tolerance.name, when: "after", value: 98, ok: true, why: "98 ms is at most 400 ms" },
    { name: errors.name, when: "before", value: 0, ok: true, why: "0 % is at most 5 %" },
    {
      name: errors.name,
      when: "during",
      value: during[1],
      ok: during[1] <= 0.05,
      why: `${100 * during[1]} % against at most 5 %`,
    },
    { name: errors.name, when: "after", value: 0, ok: true, why: "0 % is at most 5 %" },
  ];
  const effects = (fault: string, name: keyof Layout["windows"], signals: [string, string, Verdict][]): Effect[] =>
    signals.map(([signal, target, verdict]) => estimate(points, layout, fault, name, signal, target, verdict));
  const flow = { protocol: "tcp" as const, destinationCidr: "10.20.3.11/32", destinationPorts: "6379" };
  return [
    {
      name: "dbLink",
      definition: definition("The link between app and data goes down", {
        cut: { fault: "linkDown", target: { link: "data-1/eth0" }, durationSeconds: 18 },
      }),
      faults: [
        fault("cut", "linkDown", "data-1/eth0", "carrier", layout.windows.dbLink, {
          machines: [],
          links: ["data-1/eth0"],
        }),
      ],
      probes: probes([1003, 0.97]),
      commands: [],
      effects: effects("cut", "dbLink", [
        [Signal.LatencyP95, "service", "fail"],
        [Signal.LatencyP50, "service", "fail"],
        [Signal.Errors, "service", "fail"],
        [Signal.Requests, "service", "pass"],
        [Signal.Cpu, "data-1", "degraded"],
        [Signal.NetworkIn, "data-1", "degraded"],
        [Signal.Cpu, "web-1", "degraded"],
        [Signal.Memory, "app-1", "pass"],
      ]),
      verdict: "fail",
      sentence:
        "97 % of requests fail while the link is down, against at most 5 % allowed; all is well again 1.3 s after it returns.",
      deviated: true,
      latencies: [
        { phase: "baseline", side: "live", requests: 1750, failed: 0, p50: 8.1, p95: 96, p99: 131, max: 180 },
        { phase: "baseline", side: "shadow", requests: 1748, failed: 0, p50: 8.3, p95: 97, p99: 133, max: 185 },
        { phase: "fault", side: "live", requests: 900, failed: 0, p50: 8.2, p95: 104, p99: 130, max: 176 },
        { phase: "fault", side: "shadow", requests: 899, failed: 872, p50: 790, p95: 1007, p99: 1020, max: 1031 },
      ],
    },
    {
      name: "slowFlow",
      definition: definition("80 ms on the flow from app to store, in pulses", {
        slow: {
          fault: "latency",
          target: { link: "data-1/eth0", flow },
          delayMilliseconds: 80,
          pulse: { activeSeconds: 3, dormantSeconds: 3, repeat: 6 },
        },
      }),
      faults: [
        fault(
          "slow",
          "latency",
          "data-1/eth0 (tcp any > 10.20.3.11/32:6379)",
          "relay",
          layout.windows.slowFlow,
          { machines: [], links: ["data-1/eth0"] },
          [80, 80.4, "ms"],
        ),
      ],
      probes: probes([194, 0]),
      commands: [],
      effects: effects("slow", "slowFlow", [
        [Signal.LatencyP95, "service", "degraded"],
        [Signal.LatencyP50, "service", "degraded"],
        [Signal.Errors, "service", "pass"],
        [Signal.Cpu, "app-1", "inconclusive"],
      ]),
      verdict: "degraded",
      sentence: "Responses at the 95th percentile take 92 ms longer in every pulse; no request fails.",
      deviated: false,
    },
    {
      name: "appCrash",
      definition: definition("One app machine crashes and comes back", {
        crash: { fault: "machineCrash", target: { machine: "app-1" }, durationSeconds: 18 },
      }),
      faults: [
        fault("crash", "machineCrash", "app-1", "signal", layout.windows.appCrash, { machines: ["app-1"], links: [] }),
      ],
      probes: probes([158, 0.015]),
      commands: [{ action: "checkReplica", machine: "app-2", exitCode: 0, seconds: 1.8, withinObjective: true }],
      effects: effects("crash", "appCrash", [
        [Signal.LatencyP95, "service", "degraded"],
        [Signal.LatencyP50, "service", "degraded"],
        [Signal.Errors, "service", "inconclusive"],
        [Signal.Cpu, "app-2", "degraded"],
        [Signal.Cpu, "app-1", "noData"],
        [Signal.Requests, "service", "pass"],
      ]),
      verdict: strength > 1.5 ? "fail" : "degraded",
      sentence:
        "The other app machine takes over within 2 s; the slowest 5 % of responses take 61 ms longer meanwhile.",
      deviated: false,
    },
  ];
}

function fault(
  action: string,
  kind: string,
  target: string,
  mechanism: string,
  windows: Window[],
  touches: JournalFault["touches"],
  strength?: [number, number, string],
): JournalFault {
  const asked = strength === undefined ? {} : { asked: strength[0], measured: strength[1], unit: strength[2] };
  const why =
    strength === undefined
      ? kind === "linkDown"
        ? "the carrier was off for 18.0 s and the port passed no packet"
        : "all 2 processes were killed and the machine answered nothing for 18.0 s"
      : `1,204 packets were delayed by ${strength[1]} ms on average`;
  const counters: Record<string, number> =
    strength === undefined ? { down: 1, killed: 2 } : { matched: 1204, delayed: 1204, overflowed: 0 };
  return {
    action,
    kind,
    target,
    mechanism,
    touches,
    windows,
    effect: { counters, ...asked, proven: true, why },
    notes: ["checksum offload is off at the sender's end"],
    commands: [
      `sh /run/undo-${action}.sh --arm 20s`,
      `ip netns exec switch ip link set dev v-data-1-eth0 down # ${kind}`,
      "nft -f - <<'EOF'\ntable netdev sn_f1 { set armed { type inet_proto; flags timeout; } }\nEOF",
    ],
  };
}

function makeEvents(layout: Layout, experiments: JournalExperiment[]): Journal["events"] {
  const events: Journal["events"] = [
    { time: layout.start + 900, kind: "containment", message: "24 attempts to leave the shadow, none got through" },
    { time: layout.start + 2_000, kind: "intake", message: "the gateway's intake is open" },
    { time: layout.start + 4_800, kind: "fidelity", message: "live and shadow agree within 10 %" },
  ];
  for (const { faults } of experiments) {
    for (const { action, kind, target, windows } of faults) {
      for (const { start, end } of windows) {
        events.push({ time: start, kind: "fault.started", message: `${action}: ${kind} on ${target}` });
        events.push({ time: end, kind: "fault.ended", message: `${action}: undone and checked` });
      }
    }
  }
  return events.sort((a, b) => a.time - b.time);
}

function makeAlarms(layout: Layout): Journal["alarms"] {
  const [cut] = layout.windows.dbLink;
  return [
    { name: "many errors", severity: "critical", state: "firing", time: cut!.start + 6_000, value: 0.97 },
    { name: "many errors", severity: "critical", state: "resolved", time: cut!.end + 3_000, value: 0 },
  ];
}
