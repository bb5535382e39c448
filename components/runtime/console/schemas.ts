import { z } from "zod";

/** Name of a shadow, experiment or alarm in an address; what it may be in full is checked where it is looked up. */
export const nameParameter = z.string().min(1).max(100);
const runId = z.string().regex(/^[A-Za-z0-9][\w-]{0,100}$/, "is not the id of a run");

export const shadowParameters = z.object({ shadow: nameParameter });
export const experimentParameters = z.object({ shadow: nameParameter, experiment: nameParameter });
export const runParameters = z.object({ run: runId });

/** Every error: a stable code, a sentence, and every problem of the input with its path. */
export const errorBody = z.object({
  error: z.object({
    code: z.string(),
    message: z.string(),
    problems: z.array(z.object({ path: z.string(), reason: z.string() })),
  }),
});

export const experimentBody = z
  .unknown()
  .meta({ description: "an experiment; its JSON Schema is at /experiment-schema" });

export const knownExperiment = z.object({
  name: z.string(),
  source: z.enum(["stack", "api"]),
  experiment: experimentBody,
});

export const runSummary = z.object({
  id: z.string(),
  shadow: z.string(),
  status: z.string(),
  experiments: z.array(z.string()),
  startedAt: z.string(),
  endedAt: z.string().optional(),
  verdict: z.string().optional(),
  sentence: z.string().optional(),
  folder: z.string(),
  progress: z.unknown().optional(),
});

export const startBody = z
  .strictObject({
    experiments: z.array(nameParameter).max(100).default([]).meta({ description: "names of known experiments" }),
    definitions: z
      .record(z.string(), z.unknown())
      .default({})
      .meta({ description: "experiments of this run alone, by name" }),
    seed: z.int().min(0).default(1).meta({ description: "seed of everything random" }),
    skip: z
      .strictObject({
        leftovers: z.boolean().optional(),
        mirrorHealth: z.boolean().optional(),
        fidelityGate: z.boolean().optional(),
      })
      .default({})
      .meta({ description: "checks of the preflight to leave out; what protects production is not among them" }),
  })
  .refine(({ experiments, definitions }) => experiments.length + Object.keys(definitions).length > 0, {
    path: ["experiments"],
    message: "name an experiment, or give one under definitions",
  });

/** Body of a request that only says why; it may be left out. */
export const reasonBody = z.strictObject({ reason: z.string().min(1).max(500).optional() }).nullish();

export const haltState = z.object({ halted: z.boolean(), reason: z.string().optional(), since: z.string().optional() });

export const alarmStanding = z.object({
  shadow: z.string(),
  name: z.string(),
  severity: z.string(),
  threshold: z.string(),
  state: z.enum(["ok", "firing", "acknowledged", "noData"]),
  since: z.number().optional(),
  value: z.number().optional(),
});

export const alarmRecord = z.object({
  shadow: z.string(),
  name: z.string(),
  severity: z.string(),
  state: z.enum(["firing", "resolved", "acknowledged", "noData"]),
  time: z.number(),
  value: z.number().optional(),
});

export const scheduleState = z.object({
  shadow: z.string(),
  experiment: z.string(),
  schedule: z.unknown(),
  next: z.number().optional(),
});

export const scheduleRecord = z.object({
  shadow: z.string(),
  experiment: z.string(),
  due: z.number(),
  outcome: z.enum(["started", "skipped"]),
  run: z.string().optional(),
  why: z.string().optional(),
  count: z.number().optional(),
});
