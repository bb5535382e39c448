import { readFile } from "node:fs/promises";

import { ExitCode, type Problem, ProblemsError, ShadownetError } from "../../internal/problems";
import type { SkippedChecks } from "../runner/context";
import type { RunProgress } from "../runner/progress";
import type { ControllerRecord } from "./controllerFile";
import { signOfLifeMilliseconds } from "./runStream";
import type { RunSummary } from "./runs";

/** Signs of life in a row that a controller may owe before it counts as hung; a single one comes late on a busy host. */
const mostMissed = 3;

/** What a run is asked for. */
export interface ClientRunRequest {
  experiments: string[];
  definitions: Record<string, unknown>;
  seed: number;
  /** Checks of the preflight to leave out. Defaults to none. */
  skip?: SkippedChecks;
}

/** Asks the controller that runs on this host. */
export class ControllerClient {
  constructor(private readonly controller: ControllerRecord) {}

  /** Begins a run; an aborted signal gives up waiting for the answer, not a run that has begun. */
  startRun(shadow: string, request: ClientRunRequest, signal?: AbortSignal): Promise<RunSummary> {
    return this.ask<RunSummary>("POST", `/shadows/${encodeURIComponent(shadow)}/runs`, request, signal);
  }

  run(id: string): Promise<RunSummary> {
    return this.ask<RunSummary>("GET", `/runs/${encodeURIComponent(id)}`);
  }

  /** Ends a run and answers when it is over; an aborted signal gives up waiting for the answer. */
  abort(id: string, reason: string, signal?: AbortSignal): Promise<RunSummary> {
    return this.ask<RunSummary>("POST", `/runs/${encodeURIComponent(id)}/abort`, { reason }, signal);
  }

  /** Gives the progress of a run until it ends; throws when the controller ends before, or hangs. */
  async follow(run: RunSummary, onProgress: (progress: RunProgress) => void): Promise<RunSummary> {
    for await (const message of this.messages(run)) {
      const [, kind] = /^event: (.*)$/m.exec(message) ?? [];
      const [, data] = /^data: (.*)$/m.exec(message) ?? [];
      if (data === undefined) continue;
      if (kind === "end") return JSON.parse(data) as RunSummary;
      onProgress(JSON.parse(data) as RunProgress);
    }
    throw lost(run, "the controller ended before the run did");
  }

  private async *messages(run: RunSummary): AsyncGenerator<string> {
    const silence = new AbortController();
    let missed = 0;
    const watch = setInterval(() => ++missed > mostMissed && silence.abort(), signOfLifeMilliseconds);
    try {
      const response = await this.fetch("GET", `/runs/${encodeURIComponent(run.id)}/events`, undefined, silence.signal);
      let text = "";
      for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
        missed = 0;
        text += chunk;
        const messages = text.split("\n\n");
        text = messages.pop() ?? "";
        yield* messages;
      }
    } catch (error) {
      const { pid } = this.controller;
      const seconds = (mostMissed * signOfLifeMilliseconds) / 1000;
      if (silence.signal.aborted)
        throw lost(run, `the controller (process ${pid}) has said nothing for ${seconds} s`, error);
      if (error instanceof ShadownetError) throw error;
      throw lost(run, "the controller ended before the run did", error);
    } finally {
      clearInterval(watch);
    }
  }

  private async ask<T>(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<T> {
    return (await (await this.fetch(method, path, body, signal)).json()) as T;
  }

  private async fetch(method: string, path: string, body?: unknown, signal?: AbortSignal): Promise<Response> {
    const { address, tokenFile } = this.controller;
    const token = (await readFile(tokenFile, "utf8")).trim();
    const headers = {
      authorization: `Bearer ${token}`,
      ...(body === undefined ? {} : { "content-type": "application/json" }),
    };
    let response: Response;
    try {
      response = await fetch(`http://${address}${path}`, { method, headers, body: JSON.stringify(body), signal });
    } catch (error) {
      const message = `the controller (process ${this.controller.pid}) does not answer on http://${address}`;
      throw new ShadownetError("controller-silent", message, ExitCode.NotPossibleHere, { cause: error });
    }
    if (!response.ok) throw await asError(response);
    return response;
  }
}

function lost({ id, shadow, folder }: RunSummary, what: string, cause?: unknown): ShadownetError {
  const then = [
    `how run ${id} ends is not known here`,
    "its faults end when the controller's heartbeats stay away, and at the latest when their time is up",
    `\`shadownet report ${folder}\` shows how far it came, \`shadownet halt --network ${shadow}\` undoes every fault at once`,
  ];
  return new ShadownetError("run-lost", `${what}; ${then.join("; ")}`, ExitCode.NotPossibleHere, { cause });
}

async function asError(response: Response): Promise<ShadownetError> {
  const text = await response.text();
  let error: { code: string; message: string; problems: Problem[] };
  try {
    ({ error } = JSON.parse(text) as { error: typeof error });
  } catch {
    return new ShadownetError("controller-error", `the controller answered with status ${response.status}`);
  }
  if (error.problems.length > 0) return new ProblemsError(error.message.split(":")[0]!, error.problems);
  const exitCode = { 400: ExitCode.BadInput, 404: ExitCode.BadInput, 409: ExitCode.NotPossibleHere }[response.status];
  return new ShadownetError(error.code, error.message, exitCode ?? ExitCode.FailureFound);
}
