import { z } from "zod";

import { experimentJsonSchema } from "../../../validation/experiment";
import { Severity } from "../../../monitor";
import { describeThreshold } from "../../runner/thresholds";
import { openMetricsText, openMetricsType } from "../../telemetry/openMetrics";
import type { Controller } from "../controller";
import {
  alarmRecord,
  alarmStanding,
  errorBody,
  haltState,
  nameParameter,
  reasonBody,
  scheduleRecord,
  scheduleState,
} from "../schemas";
import type { Api } from "../server";

/** Health, metrics, the description of the API, halt and release, alarms and schedules. */
export function controlRoutes(api: Api, controller: Controller, version: string): void {
  describingRoutes(api, controller, version);
  haltRoutes(api, controller);
  alarmRoutes(api, controller);
  const schedules = z.object({ schedules: z.array(scheduleState), history: z.array(scheduleRecord) });
  const schema = {
    summary: "schedules, their next starts, and what became of earlier ones",
    response: { 200: schedules },
  };
  api.get("/schedules", { schema }, async () => ({
    schedules: await controller.scheduler.list(),
    history: [...controller.scheduleHistory.entries],
  }));
}

function describingRoutes(api: Api, controller: Controller, version: string): void {
  const health = z.object({ status: z.literal("ok"), version: z.string() });
  const schema = {
    summary: "says that the controller is there; needs no token",
    response: { 200: health },
    security: [],
  };
  api.get("/health", { schema, config: { open: true } }, () => ({ status: "ok" as const, version }));
  api.get("/openapi.json", { schema: { hide: true }, config: { open: true } }, (_request, reply) =>
    reply.type("application/json; charset=utf-8").send(JSON.stringify(api.swagger())),
  );
  const experimentSchema = { summary: "JSON Schema of an experiment" };
  api.get("/experiment-schema", { schema: experimentSchema }, () => experimentJsonSchema());
  api.get("/metrics", { schema: { summary: "metrics in the OpenMetrics text format" } }, async (_request, reply) =>
    reply.type(openMetricsType).send(openMetricsText(await controller.metrics())),
  );
}

function haltRoutes(api: Api, controller: Controller): void {
  const state = (): z.infer<typeof haltState> => ({ halted: controller.halted !== undefined, ...controller.halted });
  api.get("/halt", { schema: { summary: "says whether runs are forbidden", response: { 200: haltState } } }, state);
  const halted = haltState.extend({ shadows: z.array(z.string()), failures: z.array(z.string()) });
  const halt = {
    summary: "undoes every fault and forbids runs until released",
    body: reasonBody,
    response: { 200: halted, 500: halted },
  };
  api.post("/halt", { schema: halt }, async (request, reply) => {
    const result = await controller.halt(request.body?.reason ?? "halted through the API");
    return reply.code(result.failures.length === 0 ? 200 : 500).send({ ...state(), ...result });
  });
  const release = { summary: "allows runs again", response: { 200: haltState } };
  api.post("/release", { schema: release }, async () => {
    await controller.release();
    return state();
  });
}

function alarmRoutes(api: Api, controller: Controller): void {
  const alarms = z.object({ alarms: z.array(alarmStanding), history: z.array(alarmRecord) });
  const list = { summary: "how every alarm stands, and what became of earlier ones", response: { 200: alarms } };
  api.get("/alarms", { schema: list }, () => ({
    alarms: controller.watchers.standing().map(({ shadow, rule, state, since, value }) => ({
      shadow,
      name: rule.name,
      severity: rule.severity ?? Severity.Warning,
      threshold: describeThreshold(rule),
      state,
      since,
      value,
    })),
    history: [...controller.alarmHistory.entries],
  }));
  const acknowledge = {
    summary: "says that somebody has seen a firing alarm",
    params: z.object({ shadow: nameParameter, alarm: nameParameter }),
    response: { 200: z.object({ acknowledged: z.literal(true) }), 404: errorBody, 409: errorBody },
  };
  api.post("/alarms/:shadow/:alarm/acknowledge", { schema: acknowledge }, (request) => {
    controller.watchers.acknowledge(request.params.shadow, request.params.alarm);
    return { acknowledged: true as const };
  });
}
