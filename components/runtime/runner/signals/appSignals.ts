import type { ExchangeSample, ExchangeSide } from "../../gateway/exchange";
import type { SignalPoint } from "../driver";
import { wholeService } from "../recent";
import { LineTail } from "./tail";

/** Settings of {@link AppSignals}. */
export interface AppSignalsSettings {
  /** The gateway's `samples.ndjson`. */
  file: string;
  stepSeconds: number;
  /** Machine by address, for series per machine beside those of the whole service. Defaults to none. */
  machineByAddress?: ReadonlyMap<string, string>;
  /** Gets the raw exchanges. Defaults to nobody. */
  onExchanges?: (samples: ExchangeSample[]) => void;
}

/** Answers that come later than this change nothing any more; longer than any gateway waits for one. */
const keepMilliseconds = 60_000;

/** A step is emitted so long after its end, because most answers to its last requests come within that time. */
const holdMilliseconds = 1000;

/** Latencies kept per step, target and side; beyond it a random choice of as many represents all. */
const mostLatencies = 20_000;

/** A longer silence than this many steps is a gap; a shorter one, between steps with traffic, had no requests. */
const longestQuiet = 5;

/**
 * Turns a gateway's exchanges into points per step, side and target. An exchange belongs to the step in which live got
 * its request, on both sides, so that an answer that comes late lands where it belongs; a step whose answers come late
 * is emitted again, and the later points replace the earlier ones.
 *
 * `app.latency.*`: time to the last byte of successful responses, milliseconds. `app.requests`: requests in the step of
 * which it is known what became of them. `app.errors`: share of these without a complete response or with an HTTP status
 * from 500 up.
 * `app.differences`: share of comparable responses in which the shadow differs from live. `replay.lag`: median delay of
 * the shadow's requests against live's spacing, milliseconds.
 */
export class AppSignals {
  /** Lines of the file that were no exchanges. */
  unreadable = 0;
  /** Exchanges that came too late to be counted in their step. */
  late = 0;
  private readonly tail: LineTail;
  private readonly steps = new Map<number, Step>();
  private readonly step: number;
  private newest = -Infinity;

  constructor(private readonly settings: AppSignalsSettings) {
    this.tail = new LineTail(settings.file);
    this.step = settings.stepSeconds * 1000;
  }

  /** Begins at the present end of the file. */
  async start(): Promise<void> {
    await this.tail.skipToEnd();
  }

  async stop(): Promise<void> {
    await this.tail.close();
  }

  /** Reads what came since the last call and returns the points of every step that is over and has changed. */
  async collect(now = Date.now()): Promise<SignalPoint[]> {
    const samples = (await this.tail.read()).flatMap((line) => this.parse(line));
    for (const sample of samples) this.count(sample, now);
    if (samples.length > 0) this.settings.onExchanges?.(samples);
    return this.emit(now);
  }

  private parse(line: string): ExchangeSample[] {
    try {
      const sample = JSON.parse(line) as ExchangeSample;
      if (Number.isFinite(sample.live.start) && typeof sample.flow === "string") return [sample];
    } catch {
      // counted below, like every line that is no exchange
    }
    this.unreadable += 1;
    return [];
  }

  private count(sample: ExchangeSample, now: number): void {
    const start = Math.floor(sample.live.start / this.step) * this.step;
    if (start < now - keepMilliseconds) {
      this.late += 1;
      return;
    }
    let step = this.steps.get(start);
    if (step === undefined) this.steps.set(start, (step = { changed: true, targets: new Map() }));
    step.changed = true;
    countInto(step, wholeService, sample);
    const machine = this.settings.machineByAddress?.get(destinationAddress(sample.flow));
    if (machine !== undefined) countInto(step, machine, sample);
  }

  private emit(now: number): SignalPoint[] {
    const points: SignalPoint[] = [];
    for (const time of [...this.steps.keys()].sort((a, b) => a - b)) {
      const step = this.steps.get(time)!;
      if (time + this.step + holdMilliseconds > now) continue;
      if (step.changed) {
        points.push(...this.quietSteps(time));
        for (const [target, tally] of step.targets) points.push(...this.pointsOf(target, time, tally));
        step.changed = false;
      }
      this.newest = Math.max(this.newest, time);
      if (time < now - keepMilliseconds) this.steps.delete(time);
    }
    return points;
  }

  private quietSteps(time: number): SignalPoint[] {
    const quiet = (time - this.newest) / this.step - 1;
    if (!(quiet >= 1 && quiet <= longestQuiet)) return [];
    return Array.from({ length: quiet }, (_, index) => this.newest + (index + 1) * this.step).flatMap((at) => [
      { signal: "app.requests", target: wholeService, side: "live" as const, time: at, value: 0 },
      { signal: "app.requests", target: wholeService, side: "shadow" as const, time: at, value: 0 },
    ]);
  }

  private pointsOf(target: string, time: number, tally: Tally): SignalPoint[] {
    const points: SignalPoint[] = [];
    const add = (signal: string, side: "live" | "shadow", value: number): void => {
      points.push({ signal, target, side, time, value });
    };
    for (const side of ["live", "shadow"] as const) {
      const { known, failed, latencies } = tally[side];
      if (known === 0) continue;
      add("app.requests", side, known);
      add("app.errors", side, failed / known);
      if (latencies.length === 0) continue;
      const sorted = Float64Array.from(latencies).sort();
      for (const percent of [50, 95, 99]) add(`app.latency.p${percent}`, side, percentile(sorted, percent));
    }
    if (tally.compared > 0) add("app.differences", "shadow", tally.different / tally.compared);
    add("replay.lag", "shadow", percentile(Float64Array.from(tally.lags).sort(), 50));
    return points;
  }
}

interface Step {
  changed: boolean;
  targets: Map<string, Tally>;
}

interface SideTally {
  /** Requests of which it is known what became of them. */
  known: number;
  failed: number;
  latencies: number[];
}

interface Tally {
  requests: number;
  compared: number;
  different: number;
  lags: number[];
  live: SideTally;
  shadow: SideTally;
}

function countInto(step: Step, target: string, sample: ExchangeSample): void {
  let tally = step.targets.get(target);
  if (tally === undefined) step.targets.set(target, (tally = emptyTally()));
  tally.requests += 1;
  if (sample.equal !== undefined) tally.compared += 1;
  if (sample.equal === false) tally.different += 1;
  keep(tally.lags, sample.lagMilliseconds, tally.requests);
  countSide(tally.live, sample.live);
  countSide(tally.shadow, sample.shadow);
}

function emptyTally(): Tally {
  const side = (): SideTally => ({ known: 0, failed: 0, latencies: [] });
  return { requests: 0, compared: 0, different: 0, lags: [], live: side(), shadow: side() };
}

function countSide(tally: SideTally, { start, end, error, status }: ExchangeSide): void {
  if (error === undefined && end === undefined) return;
  tally.known += 1;
  if (error !== undefined || (status ?? 0) >= 500) tally.failed += 1;
  else keep(tally.latencies, end! - start, tally.known - tally.failed);
}

/** Keeps a value; once full, in place of a random one with the chance that makes the kept ones represent all. */
function keep(values: number[], value: number, seen: number): void {
  if (values.length < mostLatencies) {
    values.push(value);
    return;
  }
  const place = Math.floor(Math.random() * seen);
  if (place < mostLatencies) values[place] = value;
}

/** The smallest value that at least so many percent of the values do not exceed (nearest rank). */
function percentile(sorted: Float64Array, percent: number): number {
  return sorted[Math.max(0, Math.ceil((percent / 100) * sorted.length) - 1)]!;
}

/** The server's address in `tcp 203.0.113.7:40123>10.80.1.11:80` or `tcp [2001:db8::7]:40123>[2001:db8::11]:80`. */
function destinationAddress(flow: string): string {
  const destination = flow.slice(flow.lastIndexOf(">") + 1);
  return destination.slice(0, destination.lastIndexOf(":")).replace(/^\[|\]$/g, "");
}
