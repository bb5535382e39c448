import type { MirrorState, SignalPoint } from "../runner/driver";
import type { AlarmStanding } from "../runner/standingWatch";
import { type Metric, type MetricSample, counter, gauge } from "./metric";

interface Family {
  name: string;
  help: string;
  /** What the signal's unit is multiplied by to be a base unit. */
  factor: number;
  labels?: Record<string, string>;
}

const latency = (percentile: string): Family => ({
  name: "shadownet_app_latency_seconds",
  help: "Latency of requests in the last step, by percentile",
  factor: 0.001,
  labels: { percentile },
});

const families: Record<string, Family> = {
  "app.latency.p50": latency("50"),
  "app.latency.p95": latency("95"),
  "app.latency.p99": latency("99"),
  "app.errors": {
    name: "shadownet_app_error_ratio",
    help: "Share of requests that failed in the last step",
    factor: 1,
  },
  "app.requests": {
    name: "shadownet_app_requests_per_second",
    help: "Requests per second, over a step of one second",
    factor: 1,
  },
  "app.differences": {
    name: "shadownet_app_difference_ratio",
    help: "Share of responses in which live and shadow differ",
    factor: 1,
  },
  "machine.cpu": { name: "shadownet_machine_cpu_ratio", help: "Processors in use; 1 is one whole", factor: 0.01 },
  "machine.memory": { name: "shadownet_machine_memory_bytes", help: "Memory in use", factor: 1 },
  "machine.network.in": {
    name: "shadownet_machine_receive_bytes_per_second",
    help: "Bytes received per second",
    factor: 1,
  },
  "machine.network.out": {
    name: "shadownet_machine_transmit_bytes_per_second",
    help: "Bytes sent per second",
    factor: 1,
  },
  "mirror.share": {
    name: "shadownet_mirror_share_ratio",
    help: "Share of the flows seen that were selected",
    factor: 0.01,
  },
  "mirror.loss": { name: "shadownet_mirror_loss_ratio", help: "Share of requests that the mirror lost", factor: 1 },
  "replay.lag": { name: "shadownet_replay_lag_seconds", help: "How far the replay is behind live", factor: 0.001 },
  "replay.coverage": {
    name: "shadownet_replay_coverage_ratio",
    help: "Share of requests that were replayed",
    factor: 1,
  },
};

/** The newest points as metrics; a signal that no family is known for goes under `shadownet_signal`, in its own unit. */
export function signalMetrics(shadows: { shadow: string; points: SignalPoint[] }[]): Metric[] {
  const metrics = new Map<string, Metric>();
  for (const { shadow, points } of shadows) {
    for (const { signal, target, side, value } of points) {
      const other = {
        name: "shadownet_signal",
        help: "Other signals, in their own unit",
        factor: 1,
        labels: { signal },
      };
      const { name, help, factor, labels } = families[signal] ?? other;
      const metric = metrics.get(name) ?? gauge(name, help, []);
      metric.samples.push({ labels: { shadow, target, side, ...labels }, value: value * factor });
      metrics.set(name, metric);
    }
  }
  return [...metrics.values()];
}

/** The gateways' counters of requests. */
export function mirrorMetrics(mirrors: { shadow: string; state: MirrorState }[]): Metric[] {
  const each = (read: (state: MirrorState) => number | undefined): MetricSample[] =>
    mirrors.flatMap(({ shadow, state }) => {
      const value = read(state);
      return value === undefined ? [] : [{ labels: { shadow }, value }];
    });
  const causes = (read: (state: MirrorState) => Record<string, number> | undefined): MetricSample[] =>
    mirrors.flatMap(({ shadow, state }) =>
      Object.entries(read(state) ?? {}).map(([cause, value]) => ({ labels: { shadow, cause }, value })),
    );
  return [
    counter(
      "shadownet_requests_on_wire",
      "Requests in selected flows",
      each((state) => state.onWire),
    ),
    counter(
      "shadownet_requests_replayed",
      "Requests sent to the shadow",
      each((state) => state.replayed),
    ),
    counter(
      "shadownet_requests_answered",
      "Requests that the shadow answered",
      each((state) => state.answered),
    ),
    counter(
      "shadownet_requests_lost_by_mirror",
      "Requests that the mirror lost",
      each((state) => state.lostByMirror),
    ),
    counter(
      "shadownet_packets_unseen",
      "Packets that the gateway's kernel dropped before anybody saw them",
      each((state) => state.unseen),
    ),
    counter(
      "shadownet_requests_unusable",
      "Requests that could not be replayed",
      causes((state) => state.unusable),
    ),
    counter(
      "shadownet_requests_shed",
      "Requests shed by overload",
      causes((state) => state.shed),
    ),
    counter(
      "shadownet_requests_failed",
      "Replayed requests without an answer",
      causes((state) => state.failed),
    ),
    gauge(
      "shadownet_mirror_open",
      "1 while the gateway takes traffic in",
      each((state) => (state.intakeOpen ? 1 : 0)),
    ),
    gauge(
      "shadownet_mirror_problems",
      "Reasons why the mirror is not healthy",
      each((state) => state.problems.length),
    ),
  ];
}

const alarmStates = ["ok", "firing", "acknowledged", "noData"] as const;

/** How every alarm stands: 1 for its state, 0 for the others. */
export function alarmMetrics(standing: ({ shadow: string } & AlarmStanding)[]): Metric[] {
  const samples = standing.flatMap(({ shadow, rule, state }) =>
    alarmStates.map((candidate) => ({
      labels: { shadow, alarm: rule.name, severity: rule.severity ?? "warning", state: candidate },
      value: state === candidate ? 1 : 0,
    })),
  );
  return [gauge("shadownet_alarm_state", "1 for the state that the alarm is in", samples)];
}
