import { z } from "zod";

import type { Controller } from "../controller";
import { errorBody, experimentBody, experimentParameters, knownExperiment, shadowParameters } from "../schemas";
import type { Api } from "../server";

const mirrorState = z.looseObject({ percent: z.number(), intakeOpen: z.boolean(), problems: z.array(z.string()) });

const shadowState = z.object({
  name: z.string(),
  /** The run that uses it now. */
  run: z.string().optional(),
  mirror: mirrorState.optional(),
  machines: z.array(z.object({ name: z.string(), role: z.string().optional(), running: z.boolean() })),
  links: z.array(z.string()),
  services: z.array(z.object({ name: z.string(), port: z.number(), machines: z.array(z.string()), edge: z.boolean() })),
  fidelity: z.array(z.object({ subject: z.string(), outcome: z.string(), reason: z.string() })),
});

/** Shadows and their experiments. */
export function shadowRoutes(api: Api, controller: Controller): void {
  const shadows = z.object({ shadows: z.array(z.object({ name: z.string(), run: z.string().optional() })) });
  api.get("/shadows", { schema: { summary: "the shadows", response: { 200: shadows } } }, async () => ({
    shadows: (await controller.shadows()).map((name) => ({ name, run: controller.runs.runOn(name) })),
  }));
  const one = {
    summary: "one shadow: machines, links, services, fidelity and the mirror's state",
    params: shadowParameters,
    response: { 200: shadowState, 404: errorBody },
  };
  api.get("/shadows/:shadow", { schema: one }, ({ params }) => describeShadow(controller, params.shadow));
  experimentRoutes(api, controller);
}

async function describeShadow(controller: Controller, name: string): Promise<z.infer<typeof shadowState>> {
  const { machines, links, services, fidelity } = await controller.describe(name);
  const mirror = await controller.mirror(name);
  const run = controller.runs.runOn(name);
  return { name, run, mirror: mirror === undefined ? undefined : { ...mirror }, machines, links, services, fidelity };
}

function experimentRoutes(api: Api, controller: Controller): void {
  const { experiments } = controller;
  const list = {
    summary: "the experiments of a shadow",
    params: shadowParameters,
    response: { 200: z.object({ experiments: z.array(knownExperiment) }), 404: errorBody },
  };
  api.get("/shadows/:shadow/experiments", { schema: list }, async ({ params }) => ({
    experiments: await experiments.list(params.shadow),
  }));
  const get = {
    summary: "one experiment",
    params: experimentParameters,
    response: { 200: knownExperiment, 404: errorBody },
  };
  api.get("/shadows/:shadow/experiments/:experiment", { schema: get }, ({ params }) =>
    experiments.get(params.shadow, params.experiment),
  );
  const create = {
    summary: "checks an experiment and, unless `check` is true, keeps it",
    params: shadowParameters,
    body: z.strictObject({ name: z.string(), experiment: experimentBody, check: z.boolean().default(false) }),
    response: { 200: z.object({ valid: z.literal(true) }), 201: knownExperiment, 400: errorBody, 409: errorBody },
  };
  api.post("/shadows/:shadow/experiments", { schema: create }, async ({ params, body }, reply) => {
    if (body.check) {
      await experiments.check(params.shadow, body.name, body.experiment);
      return reply.code(200).send({ valid: true });
    }
    return reply.code(201).send(await experiments.create(params.shadow, body.name, body.experiment));
  });
  const remove = {
    summary: "forgets an experiment that was made here",
    params: experimentParameters,
    response: { 204: z.null(), 404: errorBody, 409: errorBody },
  };
  api.delete("/shadows/:shadow/experiments/:experiment", { schema: remove }, async ({ params }, reply) => {
    await experiments.remove(params.shadow, params.experiment);
    return reply.code(204).send(null);
  });
}
