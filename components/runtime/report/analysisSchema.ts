import { z } from "zod";

import { Verdict } from "../runner/journal";
import { effectSchema } from "./journalSchema";

const verdict = z.enum(Object.values(Verdict));

/** What `shadownet analyse --json` prints, and every line of `--batch`. */
const analysisSchema = z.looseObject({
  name: z.string().optional().describe("name of the pair of a batch, or id of the run"),
  verdict: verdict.describe("the worst of the effects, or the run's"),
  effects: z.array(
    effectSchema.extend({ experiment: z.string().optional().describe("where a recorded run was analysed") }),
  ),
  sentence: z.string().optional().describe("why, of a recorded run"),
  invalid: z.boolean().optional().describe("true when no verdict may be drawn from the run"),
  experiments: z
    .array(
      z.looseObject({
        name: z.string(),
        verdict,
        sentence: z.string(),
        invalid: z.boolean(),
        effects: z.array(effectSchema),
        doses: z.array(z.unknown()),
      }),
    )
    .optional()
    .describe("of a recorded run"),
});

/** The same as JSON Schema (2020-12), the same as `analysis.schema.json` beside this file. */
export function analysisJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(analysisSchema), title: "shadownet analyse --json" };
}
