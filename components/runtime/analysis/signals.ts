/** How one signal is analysed. */
export interface SignalRule {
  unit: string;
  /** `rank`: level of a continuous signal; `ratio`: errors out of requests; `count`: events against live's events. */
  kind: "rank" | "ratio" | "count";
  /** Logarithm for what scales with load, so that a proportional difference between the sides cancels. */
  transform: "log" | "identity";
  /** Which direction is a degradation. */
  worse: "higher" | "lower" | "either";
  /** Smallest difference of interest in the unit, below which a relative margin makes no sense. */
  floor: number;
  /** True when the signal compares with live by itself, so that it needs no control. Defaults to false. */
  versusLive?: boolean;
  /** True when only requests that succeed have a value. Defaults to false. */
  onlyAnswered?: boolean;
}

const latency: SignalRule = {
  unit: "ms",
  kind: "rank",
  transform: "log",
  worse: "higher",
  floor: 1,
  onlyAnswered: true,
};
const bytes: SignalRule = { unit: "B/s", kind: "rank", transform: "log", worse: "either", floor: 1000 };
const share: SignalRule = { unit: "%", kind: "rank", transform: "identity", worse: "either", floor: 2 };
const events: SignalRule = { unit: "ratio", kind: "ratio", transform: "identity", worse: "higher", floor: 0.01 };

const rules: Record<string, SignalRule> = {
  "app.latency": latency,
  "app.errors": events,
  "app.differences": { ...events, versusLive: true },
  "app.requests": { unit: "requests", kind: "count", transform: "identity", worse: "lower", floor: 0 },
  "machine.cpu": share,
  "machine.memory": { unit: "bytes", kind: "rank", transform: "log", worse: "either", floor: 1e6 },
  "machine.network": bytes,
  "machine.network.packets": { ...bytes, unit: "packets/s", floor: 10 },
  "machine.network.drops": { unit: "packets/s", kind: "rank", transform: "identity", worse: "higher", floor: 1 },
  "machine.disk": bytes,
};

const unknown: SignalRule = { unit: "", kind: "rank", transform: "identity", worse: "either", floor: 0 };

/** Signals about the mirror and the gateway say whether the run may be judged; they are no effects of a fault. */
export function isApparatus(signal: string): boolean {
  return signal.startsWith("mirror.") || signal.startsWith("replay.");
}

/** How a signal is analysed: by its name, else by the longest known prefix, else as a plain level. */
export function ruleOf(signal: string): SignalRule {
  const parts = signal.split(".");
  for (let length = parts.length; length > 0; length--) {
    const rule = rules[parts.slice(0, length).join(".")];
    if (rule) return rule;
  }
  return unknown;
}
