import { readFile } from "node:fs/promises";
import type { ServerResponse } from "node:http";
import { join } from "node:path";

import { z } from "zod";

import { writeReports } from "../../report/write";
import { loadRun } from "../../runner/store";
import type { Controller } from "../controller";
import { conflict } from "../errors";
import { type RunMessage, signOfLifeMilliseconds } from "../runStream";
import { errorBody, reasonBody, runParameters, runSummary, shadowParameters, startBody } from "../schemas";
import type { Api } from "../server";

const mostListeners = 100;
const mostUnsentBytes = 4 * 1024 * 1024;

/** Runs: start, list, watch, abort, journal and report. */
export function runRoutes(api: Api, controller: Controller): void {
  const start = {
    summary: "starts a run of one or more experiments, one after the other",
    params: shadowParameters,
    body: startBody,
    response: { 202: runSummary, 400: errorBody, 404: errorBody, 409: errorBody },
  };
  api.post("/shadows/:shadow/runs", { schema: start }, async ({ params, body }, reply) => {
    const run = await controller.startRun({ shadow: params.shadow, ...body });
    return reply.code(202).header("location", `/runs/${run.id}`).send(run);
  });
  const list = {
    summary: "runs, the newest first",
    querystring: z.strictObject({ limit: z.coerce.number().int().min(1).max(500).default(50) }),
    response: { 200: z.object({ runs: z.array(runSummary) }), 400: errorBody },
  };
  api.get("/runs", { schema: list }, async ({ query }) => ({
    runs: await controller.runs.list(query.limit),
  }));
  const get = { summary: "one run", params: runParameters, response: { 200: runSummary, 404: errorBody } };
  api.get("/runs/:run", { schema: get }, ({ params }) => controller.runs.get(params.run));
  const abort = {
    summary: "ends a run; answers when every fault is undone",
    params: runParameters,
    body: reasonBody,
    response: { 200: runSummary, 404: errorBody, 409: errorBody },
  };
  api.post("/runs/:run/abort", { schema: abort }, async ({ params, body }) => {
    await controller.runs.abort(params.run, body?.reason ?? "aborted through the API");
    return controller.runs.get(params.run);
  });
  recordRoutes(api, controller);
  streamRoute(api, controller);
}

function recordRoutes(api: Api, controller: Controller): void {
  const journal = { summary: "the journal of a run, also while it goes on", params: runParameters };
  api.get("/runs/:run/journal", { schema: journal }, ({ params }) => controller.runs.journal(params.run));
  const report = { summary: "the report of a run that is over, as a page", params: runParameters };
  api.get("/runs/:run/report.html", { schema: report }, async ({ params }, reply) => {
    const { status } = await controller.runs.get(params.run);
    if (status === "running") throw conflict("still-running", `run ${params.run} goes on; its report comes at its end`);
    const page = await reportPage(controller.runs.folder(params.run));
    reply.header("content-security-policy", "default-src 'none'; style-src 'unsafe-inline'; img-src data:; sandbox");
    return reply.type("text/html; charset=utf-8").send(page);
  });
}

/** A run that was cut off has no report yet; it is made from what was recorded. */
async function reportPage(folder: string): Promise<string> {
  const file = join(folder, "report.html");
  const written = await readFile(file, "utf8").catch(() => undefined);
  if (written !== undefined) return written;
  await writeReports(folder, await loadRun(folder));
  return readFile(file, "utf8");
}

function streamRoute(api: Api, controller: Controller): void {
  const schema = {
    summary: "status of a run as server-sent events: phase, step, event, and end as the last",
    params: runParameters,
  };
  api.get("/runs/:run/events", { schema }, async ({ params, headers }, reply) => {
    const stream = controller.runs.stream(params.run);
    const summary = await controller.runs.get(params.run);
    if ((stream?.listening ?? 0) >= mostListeners) {
      throw conflict("too-many-listeners", `${mostListeners} already watch run ${params.run}`);
    }
    reply.hijack();
    const response = reply.raw;
    response.writeHead(200, { "content-type": "text/event-stream", "cache-control": "no-store" });
    if (stream === undefined) {
      sendMessage(response, { id: 1, kind: "end", data: summary });
      return;
    }
    const after = Number(headers["last-event-id"] ?? 0) || 0;
    const keepAlive = setInterval(() => response.write(": still there\n\n"), signOfLifeMilliseconds);
    const stop = stream.listen(after, (message) => sendMessage(response, message));
    response.on("close", () => {
      clearInterval(keepAlive);
      stop();
    });
  });
}

/** Whoever does not read what is sent is let go, so that memory stays bounded. */
function sendMessage(response: ServerResponse, { id, kind, data }: RunMessage): void {
  response.write(`id: ${id}\nevent: ${kind}\ndata: ${JSON.stringify(data)}\n\n`);
  if (kind === "end") response.end();
  else if (response.writableLength > mostUnsentBytes) response.destroy();
}
