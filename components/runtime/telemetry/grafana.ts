import { ExitCode, ShadownetError } from "../../internal/problems";
import type { RunProgress } from "../runner/progress";

/** What {@link GrafanaAnnotations} needs. */
export interface GrafanaOptions {
  /** Address of Grafana, for example `http://127.0.0.1:3000`. */
  url: string;
  /** Token of a service account that may write annotations. Defaults to none. */
  token?: string;
  onProblem: (problem: string) => void;
}

/** Most faults whose end is still awaited; beyond it the oldest keeps an annotation without an end. */
const mostOpen = 200;

/**
 * Marks the time of every fault in Grafana: an annotation when it begins, made a region when it ends. Calls go out in
 * order and never hold a run up.
 */
export class GrafanaAnnotations {
  private readonly base: string;
  private readonly on = new Map<string, { id?: number; start: number }>();
  private calls: Promise<void> = Promise.resolve();

  constructor(private readonly options: GrafanaOptions) {
    if (!/^https?:\/\//.test(options.url) || !URL.canParse(options.url)) {
      const message = `--grafana-url ${options.url} is not an address such as http://127.0.0.1:3000`;
      throw new ShadownetError("bad-grafana", message, ExitCode.BadInput);
    }
    this.base = options.url.replace(/\/+$/, "");
  }

  /** Takes in what a run tells of itself. */
  progress(shadow: string, run: string, { activeFaults, time, experiment }: RunProgress): void {
    const key = (fault: string): string => `${run}\n${fault}`;
    for (const fault of activeFaults) {
      if (this.on.has(key(fault))) continue;
      const annotation: { id?: number; start: number } = { start: time };
      this.on.set(key(fault), annotation);
      if (this.on.size > mostOpen) this.on.delete(this.on.keys().next().value!);
      const text = `${experiment ?? ""} ${fault} on ${shadow}, run ${run}`.trim();
      this.later(async () => {
        const tags = ["shadownet", "fault", shadow, ...(experiment === undefined ? [] : [experiment]), fault];
        annotation.id = (await this.call("POST", "", { time, tags, text }))["id"] as number;
      });
    }
    for (const [open, annotation] of [...this.on]) {
      if (!open.startsWith(`${run}\n`) || activeFaults.some((fault) => key(fault) === open)) continue;
      this.on.delete(open);
      this.later(async () => {
        if (annotation.id === undefined) return;
        await this.call("PATCH", `/${annotation.id}`, { time: annotation.start, timeEnd: time });
      });
    }
  }

  /** Ends when everything so far was sent or given up. */
  drain(): Promise<void> {
    return this.calls;
  }

  private later(call: () => Promise<void>): void {
    this.calls = this.calls.then(call).catch((error: unknown) => {
      this.options.onProblem(`Grafana was not told of a fault: ${(error as Error).message}`);
    });
  }

  private async call(method: string, path: string, body: unknown): Promise<Record<string, unknown>> {
    const { token } = this.options;
    const headers = {
      "content-type": "application/json",
      ...(token === undefined ? {} : { authorization: `Bearer ${token}` }),
    };
    const signal = AbortSignal.timeout(10_000);
    const url = `${this.base}/api/annotations${path}`;
    const response = await fetch(url, { method, headers, body: JSON.stringify(body), signal });
    if (!response.ok) throw new Error(`it answered with status ${response.status}`);
    return (await response.json()) as Record<string, unknown>;
  }
}
