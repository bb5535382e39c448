import { Signal } from "../../components/monitor";
import type { SignalSide } from "../../components/experiment";
import type { SignalPoint } from "../../components/runtime/runner/driver";
import type { Effect, JournalPhase, Verdict } from "../../components/runtime/runner/journal";

/** A stretch of time, milliseconds since 1970. */
export interface Window {
  start: number;
  end: number;
}

/** Machines of the shadow. */
export const machines = ["web-1", "web-2", "app-1", "app-2", "data-1", "data-2"];

/** What a machine does, from its name. */
export const roleOf = (machine: string): string => machine.split("-")[0]!;

/** A seeded stream of numbers in [0, 1), so that a test sees the same run every time (mulberry32). */
export function seededRandom(seed: number): () => number {
  let state = seed >>> 0;
  return () => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296;
  };
}

/** When things happen in the run. */
export interface Layout {
  start: number;
  end: number;
  phases: JournalPhase[];
  windows: Record<"dbLink" | "slowFlow" | "appCrash", Window[]>;
  baselines: Record<string, Window>;
}

/** The phases and fault windows of the run. */
export function layOut(start: number, stretch: number): Layout {
  const phases: JournalPhase[] = [];
  let now = start;
  const phase = (name: JournalPhase["name"], seconds: number, experiment?: string): Window => {
    const window = { start: now, end: now + seconds * 1000 };
    phases.push({
      name,
      ...(experiment === undefined ? {} : { experiment }),
      startedAt: window.start,
      endedAt: window.end,
    });
    now = window.end;
    return window;
  };
  const windows: Layout["windows"] = { dbLink: [], slowFlow: [], appCrash: [] };
  const baselines: Layout["baselines"] = {};
  phase("preflight", 5);
  for (const name of ["dbLink", "slowFlow", "appCrash"] as const) {
    baselines[name] = phase("baseline", 35 * stretch, name);
    const fault = phase("fault", (name === "slowFlow" ? 36 : 18) * stretch, name);
    windows[name] = name === "slowFlow" ? pulses(fault, 3 * stretch, 3 * stretch) : [fault];
    phase("recovery", 15 * stretch, name);
  }
  phase("analysis", 2);
  return { start, end: now, phases, windows, baselines };
}

function pulses({ start, end }: Window, active: number, dormant: number): Window[] {
  const found: Window[] = [];
  for (let at = start; at + active * 1000 <= end; at += (active + dormant) * 1000)
    found.push({ start: at, end: at + active * 1000 });
  return found;
}

function inside(windows: Window[], time: number, tailSeconds = 0): boolean {
  return windows.some(({ start, end }) => time >= start && time < end + tailSeconds * 1000);
}

/** What was measured on both sides: the shadow follows live, except where it is broken. */
export function makePoints(layout: Layout, random: () => number, strength: number): SignalPoint[] {
  const points: SignalPoint[] = [];
  const noise: Record<string, number> = {};
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const wander = (key: string): number => (noise[key] = 0.5 * (noise[key] ?? 0) + normal());
  const add = (signal: string, target: string, side: SignalSide, time: number, value: number): void => {
    points.push({ signal, target, side, time, value: Math.max(0, value) });
  };
  for (let time = layout.start + 5000; time < layout.end - 2000; time += 1000) {
    const load = 1 + 0.08 * Math.sin((time - layout.start) / 40_000) + 0.02 * wander("load");
    for (const side of ["live", "shadow"] as const) {
      const broken = side === "shadow" ? strength : 0;
      const linkDown = broken * Number(inside(layout.windows.dbLink, time, 1.3));
      const slow = broken * Number(inside(layout.windows.slowFlow, time));
      const crash = broken * Number(inside(layout.windows.appCrash, time, 2));
      const offset = side === "shadow" ? 0.6 : 0;
      const p50 = 7 * load + offset + 0.25 * wander(`p50${side}`) + 780 * linkDown + 79 * slow + 1.5 * crash;
      add(Signal.LatencyP50, "service", side, time, p50);
      add(
        Signal.LatencyP95,
        "service",
        side,
        time,
        96 * load + offset + 3 * wander(`p95${side}`) + 905 * linkDown + 92 * slow + 61 * crash,
      );
      add(
        Signal.LatencyP99,
        "service",
        side,
        time,
        118 * load + offset + 5 * wander(`p99${side}`) + 910 * linkDown + 96 * slow + 420 * crash,
      );
      add(
        Signal.Errors,
        "service",
        side,
        time,
        Math.min(1, 0.97 * linkDown + 0.03 * crash * random() + (random() < 0.03 ? 0.012 : 0)),
      );
      add(Signal.Requests, "service", side, time, Math.round(80 * load + 2 * wander(`rps${side}`)));
      if (side === "shadow")
        add(Signal.Differences, "service", side, time, Math.min(1, 0.97 * linkDown + 0.01 * crash * random()));
      for (const machine of machines) {
        if (side === "shadow" && machine === "app-1" && inside(layout.windows.appCrash, time)) continue;
        const role = roleOf(machine);
        const idle = linkDown * (role === "data" ? 0.9 : 0.2);
        const survivor = machine === "app-2" ? 0.8 * crash : 0;
        const cpu = (role === "app" ? 6 : role === "web" ? 2.4 : 1.2) * load * (1 - idle + survivor);
        add(Signal.Cpu, machine, side, time, cpu + 0.2 * wander(`cpu${machine}${side}`));
        add(
          Signal.Memory,
          machine,
          side,
          time,
          1048576 * ((role === "app" ? 61 : 14) + 0.2 * wander(`mem${machine}${side}`)),
        );
        add(
          Signal.NetworkIn,
          machine,
          side,
          time,
          90_000 * load * (1 - idle + survivor) + 3000 * wander(`in${machine}${side}`),
        );
        add(
          Signal.NetworkOut,
          machine,
          side,
          time,
          110_000 * load * (1 - idle + survivor) + 3000 * wander(`out${machine}${side}`),
        );
      }
    }
    add(Signal.ReplayCoverage, "service", "shadow", time, 0.99 + 0.002 * normal());
  }
  return points;
}

/** An effect as the analysis would have found it: medians of the points, with an interval from their spread. */
export function estimate(
  points: SignalPoint[],
  layout: Layout,
  action: string,
  name: keyof Layout["windows"],
  signal: string,
  target: string,
  verdict: Verdict,
): Effect {
  const series = (side: SignalSide): Map<number, number> =>
    new Map(
      points
        .filter((point) => point.signal === signal && point.target === target && point.side === side)
        .map(({ time, value }) => [time, value]),
    );
  const [live, shadow] = [series("live"), series("shadow")];
  const gaps = (windows: Window[]): number[] =>
    [...shadow]
      .filter(([time]) => inside(windows, time) && live.has(time))
      .map(([time, value]) => value - live.get(time)!);
  const [before, during] = [gaps([layout.baselines[name]!]), gaps(layout.windows[name])];
  const level = median([...shadow.values()]) || 0.01;
  const unit = signal.startsWith("app.latency")
    ? "ms"
    : signal === "app.errors"
      ? "ratio"
      : signal === "machine.cpu"
        ? "percent"
        : signal === "app.requests"
          ? "count"
          : signal === "machine.memory"
            ? "bytes"
            : "bytes per second";
  const base = { fault: action, signal, target, unit, verdict };
  if (during.length === 0) {
    const nothing = {
      shift: null,
      shiftPercent: null,
      low: null,
      high: null,
      p: null,
      q: null,
      delta: null,
      spreadP: null,
    };
    const why = "no samples while the machine was down";
    return {
      ...base,
      ...nothing,
      minimumDetectable: null,
      effectiveSamples: null,
      onset: null,
      recovered: null,
      censored: false,
      area: null,
      why,
    };
  }
  const shift = median(during) - median(before);
  const width = 2.2 * median(before.map((value) => Math.abs(value - median(before)))) + 1e-3 * Math.abs(shift);
  const real = verdict === "fail" || verdict === "degraded";
  return {
    ...base,
    shift,
    shiftPercent: (100 * shift) / level,
    low: shift - width,
    high: shift + width,
    p: real ? 2.1e-7 : 0.41,
    q: real ? 8.4e-7 : 0.52,
    delta: real ? 0.98 : 0.06,
    spreadP: real ? 0.001 : 0.6,
    minimumDetectable: width * 1.3,
    effectiveSamples: 24.5,
    onset: real ? 1 : null,
    recovered: real ? (name === "dbLink" ? 1.3 : 2) : null,
    censored: false,
    area: shift * layout.windows[name].reduce((sum, { start, end }) => sum + (end - start) / 1000, 0),
    why: real
      ? "the whole interval lies beyond the margin of 10 %"
      : verdict === "pass"
        ? "the whole interval lies inside the margin of 10 %"
        : "the interval crosses the margin of 10 %: too few independent samples",
  };
}

function median(values: number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  return sorted[Math.floor(sorted.length / 2)] ?? 0;
}
