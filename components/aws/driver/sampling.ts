import { SignalSide } from "../../experiment";
import { Signal } from "../../monitor";
import type { SignalPoint } from "../../runtime/runner/driver";
import { wholeService } from "../../runtime/runner/recent";
import { gatewayMetricOf, metricStepSeconds } from "../metrics";
import { machineReadingOf } from "../monitor/machineMetrics";
import { liveId, periodFor, seriesQueries } from "../monitor/queries";
import type { DataPoint, Question } from "./metrics";
import type { AwsShadowRecord } from "./recordFormat";

/** So far back CloudWatch is asked again, because data points come late and are made complete for a while. */
const lookBackMilliseconds = 5 * 60_000;

/** A series that is recorded. */
export interface Series {
  signal: string;
  target: string;
  side: SignalSide;
  question: Question;
}

/** Every series of a shadow: the service's signals, and each machine's on both sides where live is known. */
export function seriesOf(record: AwsShadowRecord, stepSeconds: number): Series[] {
  const sides = [SignalSide.Live, SignalSide.Shadow];
  return Object.values(Signal).flatMap((signal) =>
    sides.flatMap((side) => {
      if (machineReadingOf(signal) === undefined) {
        const known = gatewayMetricOf(signal, side) !== undefined;
        return known ? [series(record, signal, wholeService, side, stepSeconds)] : [];
      }
      return record.topology.machines
        .map(({ name }) => name)
        .filter((name) =>
          side === SignalSide.Live
            ? liveId(record.topology, name) !== undefined
            : record.shadow.machineIds[name] !== undefined,
        )
        .map((name) => series(record, signal, name, side, stepSeconds));
    }),
  );
}

function series(
  { topology }: AwsShadowRecord,
  signal: string,
  target: string,
  side: SignalSide,
  stepSeconds: number,
): Series {
  const queries = seriesQueries(topology, {
    signal,
    side,
    ...(target === wholeService ? {} : { target }),
    pick: "MAX",
    periodSeconds: Math.max(periodFor(signal, stepSeconds), metricStepSeconds),
  });
  const ofProduction = queries.some((query) => query.ofProduction === true);
  return { signal, target, side, question: { queries, ofProduction } };
}

/** Records the series of a shadow until stopped: asks CloudWatch every step and hands on what is new or has changed. */
export class AwsSampling {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private readonly since = Date.now();
  private readonly known = new Map<string, number>();

  constructor(
    private readonly series: readonly Series[],
    private readonly stepSeconds: number,
    private readonly read: (questions: Question[], from: number, to: number) => Promise<DataPoint[][]>,
    private readonly sink: (points: SignalPoint[]) => void,
    private readonly onProblem: (error: Error) => void,
  ) {}

  start(): void {
    this.timer = setInterval(() => {
      this.running = this.running.then(() => this.ask());
    }, this.stepSeconds * 1000);
  }

  async stop(): Promise<void> {
    clearInterval(this.timer);
    await this.running;
    await this.ask();
  }

  private async ask(): Promise<void> {
    // The end does not belong to the range.
    const to = Date.now() + 1000;
    const from = Math.max(this.since - this.stepSeconds * 1000, to - lookBackMilliseconds);
    let answers: DataPoint[][];
    try {
      answers = await this.read(
        this.series.map(({ question }) => question),
        from,
        to,
      );
    } catch (error) {
      this.onProblem(error as Error);
      return;
    }
    const points = this.series.flatMap((one, index) => this.fresh(one, answers[index] ?? []));
    if (points.length > 0) this.sink(points);
  }

  private fresh({ signal, target, side }: Series, data: readonly DataPoint[]): SignalPoint[] {
    const step = this.stepSeconds * 1000;
    return data.flatMap(({ time, value }) => {
      const key = `${signal}|${target}|${side}|${time}`;
      if (this.known.get(key) === value) return [];
      this.known.set(key, value);
      return [{ signal, target, side, time: Math.floor(time / step) * step, value }];
    });
  }
}
