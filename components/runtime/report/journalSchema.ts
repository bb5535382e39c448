import { z } from "zod";

import { type Problem, refuse } from "../../internal/problems";
import type { Journal } from "../runner/journal";

const verdict = z.enum(["pass", "degraded", "fail", "inconclusive", "noData"]);
const milliseconds = z.number().describe("milliseconds since 1970");
const span = z.looseObject({ start: milliseconds, end: milliseconds });
const numberOrNull = z.number().nullable();

const shadow = z.looseObject({
  machines: z.array(
    z.looseObject({ name: z.string(), role: z.string().optional(), subnets: z.array(z.string()).optional() }),
  ),
  links: z.array(z.string()),
  services: z.array(
    z.looseObject({ name: z.string(), port: z.number(), machines: z.array(z.string()), edge: z.boolean() }),
  ),
  fidelity: z.array(z.looseObject({ subject: z.string(), outcome: z.string(), reason: z.string() })),
});

const phase = z.looseObject({
  name: z.enum(["preflight", "baseline", "fault", "recovery", "analysis"]),
  experiment: z.string().optional(),
  startedAt: milliseconds,
  endedAt: milliseconds.optional().describe("left out while the phase goes on"),
});

const event = z.looseObject({
  time: milliseconds,
  kind: z.string(),
  message: z.string(),
  data: z.record(z.string(), z.unknown()).optional(),
});

const proof = {
  asked: z.number().optional(),
  measured: z.number().optional(),
  unit: z.string().optional(),
  proven: z.boolean().describe("true when the counters prove that the fault happened"),
  why: z.string(),
};

const probeCounts = z.looseObject({
  sent: z.number(),
  answered: z.number(),
  roundTripMilliseconds: z.number().optional().describe("mean of those that were answered"),
});

const fault = z.looseObject({
  action: z.string().describe("name of the action"),
  kind: z.string(),
  target: z.string(),
  mechanism: z.string(),
  touches: z.looseObject({ machines: z.array(z.string()), links: z.array(z.string()) }),
  windows: z.array(span).describe("when it was active"),
  effect: z
    .looseObject({
      counters: z.record(z.string(), z.number()),
      ...proof,
      directions: z
        .looseObject({ egress: z.looseObject(proof), ingress: z.looseObject(proof) })
        .optional()
        .describe("each direction by itself, where their values were asked for separately"),
      probes: z
        .looseObject({ during: probeCounts, before: probeCounts })
        .optional()
        .describe("probe packets while the fault was on and before it, where they were asked for"),
    })
    .optional(),
  notes: z.array(z.string()),
  commands: z.array(z.string()).describe("the exact commands, one line each"),
});

/** One effect, as journal, report and `shadownet analyse --json` have it. */
export const effectSchema = z.looseObject({
  fault: z.string().describe("name of the action"),
  signal: z.string(),
  target: z.string(),
  unit: z.string(),
  shift: numberOrNull.describe("Hodges-Lehmann shift of the gap, fault against baseline"),
  shiftPercent: numberOrNull,
  low: numberOrNull.describe("lower end of the 95 % interval"),
  high: numberOrNull.describe("upper end of the 95 % interval"),
  p: numberOrNull,
  q: numberOrNull.describe("p after Benjamini-Hochberg over signal × fault"),
  delta: numberOrNull.describe("Cliff's delta"),
  spreadP: numberOrNull,
  spreadQ: numberOrNull.optional().describe("spreadP after Benjamini-Hochberg over signal × fault"),
  minimumDetectable: numberOrNull,
  effectiveSamples: numberOrNull,
  onset: numberOrNull.describe("seconds"),
  timeToDetect: numberOrNull.optional().describe("seconds"),
  timeToStabilise: numberOrNull.optional().describe("seconds"),
  recovered: numberOrNull.describe("seconds"),
  censored: z.boolean().describe("true when it had not recovered when watching ended"),
  area: numberOrNull,
  verdict,
  why: z.string(),
});

const dose = z.looseObject({
  fault: z.string().describe("kind of the fault"),
  target: z.string(),
  parameter: z.string().describe("which setting of the fault varied"),
  signal: z.string(),
  of: z.string().describe("machine, or service for the whole"),
  unit: z.string(),
  strengths: z.array(z.number()),
  shifts: z.array(z.number()),
  slope: z.number().describe("shift per unit of strength"),
  low: numberOrNull,
  high: numberOrNull,
  tau: z.number().describe("Kendall's tau"),
  p: z.number(),
});

const experiment = z.looseObject({
  name: z.string(),
  definition: z.looseObject({ actions: z.record(z.string(), z.looseObject({})) }),
  faults: z.array(fault),
  probes: z.array(
    z.looseObject({
      name: z.string(),
      when: z.enum(["before", "during", "after"]),
      value: z.number().optional(),
      ok: z.boolean(),
      why: z.string(),
    }),
  ),
  commands: z.array(
    z.looseObject({
      action: z.string(),
      machine: z.string(),
      exitCode: z.number(),
      seconds: z.number(),
      withinObjective: z.boolean(),
    }),
  ),
  effects: z.array(effectSchema),
  verdict: verdict.optional(),
  sentence: z.string().optional(),
  deviated: z.boolean(),
  invalid: z.boolean().optional().describe("true when no verdict may be drawn from this experiment"),
  latencies: z
    .array(
      z.looseObject({
        phase: z.enum(["baseline", "fault", "recovery"]),
        side: z.enum(["live", "shadow"]),
        requests: z.number(),
        failed: z.number(),
        p50: numberOrNull.describe("milliseconds"),
        p95: numberOrNull.describe("milliseconds"),
        p99: numberOrNull.describe("milliseconds"),
        max: numberOrNull.describe("milliseconds"),
      }),
    )
    .optional()
    .describe("response times of all requests per phase and side, from one histogram each"),
  doses: z.array(dose).optional().describe("dose-response, where a fault was carried out at several strengths"),
});

/**
 * The format of `journal.json`, version 1. Fields that it does not know are kept, so that a later version's additions
 * do not make a journal unreadable.
 */
const journalSchema = z.looseObject({
  version: z.literal(1),
  id: z.string(),
  network: z.string(),
  backEnd: z.string(),
  status: z.enum(["running", "completed", "failed", "aborted", "interrupted"]),
  statusReason: z.string().optional(),
  process: z.looseObject({ pid: z.number(), host: z.string(), startTime: z.string().optional() }).optional(),
  startedAt: z.iso.datetime(),
  endedAt: z.iso.datetime().optional(),
  seed: z.number(),
  command: z.array(z.string()),
  versions: z.record(z.string(), z.string()),
  capabilities: z.record(z.string(), z.unknown()).optional(),
  shadow: shadow.optional(),
  phases: z.array(phase),
  events: z.array(event),
  experiments: z.array(experiment),
  coverage: z
    .looseObject({
      onWire: z.number(),
      replayed: z.number(),
      lostByMirror: z.number(),
      unusable: z.record(z.string(), z.number()),
      shed: z.record(z.string(), z.number()),
      coverage: z.number().describe("replayed / onWire"),
      unseen: z.number().optional().describe("packets that the gateway's kernel dropped unseen; absent when not known"),
      coverageAtLeast: z.number().optional().describe("replayed / (onWire + unseen): what verdicts rest on"),
    })
    .optional(),
  alarms: z.array(
    z.looseObject({
      name: z.string(),
      severity: z.string(),
      state: z.enum(["firing", "resolved", "acknowledged", "noData"]),
      time: milliseconds,
      value: z.number().optional(),
    }),
  ),
  verdict: verdict.optional(),
  sentence: z.string().optional(),
  invalid: z.boolean().optional().describe("true when no verdict may be drawn from the run"),
});

/** The journal's format as JSON Schema (2020-12), the same as `journal.schema.json` beside this file. */
export function journalJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(journalSchema), title: "shadownet journal, version 1" };
}

/** Returns a journal that was read from somewhere, or throws a `ProblemsError` that names everything wrong with it. */
export function parseJournal(value: unknown): Journal {
  const parsed = journalSchema.safeParse(value);
  const issues = parsed.success ? [] : parsed.error.issues;
  refuse("journal", issues.map(problemOf));
  return value as Journal;
}

function problemOf({ path, message }: { path: PropertyKey[]; message: string }): Problem {
  const place = path.map((part) => (typeof part === "number" ? `[${part}]` : `.${String(part)}`)).join("");
  return {
    path: place.replace(/^\./, "") || "(the whole file)",
    reason: message.charAt(0).toLowerCase() + message.slice(1),
  };
}
