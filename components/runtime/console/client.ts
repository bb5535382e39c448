import { readFile } from "node:fs/promises";

import { ExitCode, type Problem, ProblemsError, ShadownetError } from "../../internal/problems";
import type { SkippedChecks } from "../runner/context";
import type { RunProgress } from "../runner/progress";
import type { ControllerRecord } from "./controllerFile";
import type { RunSummary } from "./runs";

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

  abort(id: string, reason: string): Promise<RunSummary> {
    return this.ask<RunSummary>("POST", `/runs/${encodeURIComponent(id)}/abort`, { reason });
  }

  /** Gives the progress of a run until it ends; throws when the stream breaks off before. */
  async follow(id: string, onProgress: (progress: RunProgress) => void): Promise<RunSummary> {
    const response = await this.fetch("GET", `/runs/${encodeURIComponent(id)}/events`);
    let text = "";
    for await (const chunk of response.body!.pipeThrough(new TextDecoderStream())) {
      text += chunk;
      const messages = text.split("\n\n");
      text = messages.pop() ?? "";
      for (const message of messages) {
        const [, kind] = /^event: (.*)$/m.exec(message) ?? [];
        const [, data] = /^data: (.*)$/m.exec(message) ?? [];
        if (data === undefined) continue;
        if (kind === "end") return JSON.parse(data) as RunSummary;
        onProgress(JSON.parse(data) as RunProgress);
      }
    }
    throw new ShadownetError(
      "stream-ended",
      `the controller ended before run ${id} did; its journal says how far it came`,
    );
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
