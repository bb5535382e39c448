import type { Finding, Props, Rule } from "../rule";
import { objects } from "../values";

const number = (value: number, description: string) => ({ type: "number" as const, default: value, description });

function tooLarge(property: string, value: unknown, most: number): Finding[] {
  if (typeof value !== "number" || value <= most) return [];
  return [
    {
      property,
      value,
      reason: `the most that is allowed here is ${most}`,
      cure: "lower it, or raise the limit in the policy's configuration",
    },
  ];
}

export const rule: Rule = {
  description: "No experiment, on any back end, may hit more of a shadow or last longer than the organisation allows.",
  side: "any",
  types: [
    "shadownet:index:LabFaultExperiment",
    "shadownet:index:LabShadowEnvironment",
    "shadownet:index:AwsFaultExperiment",
    "shadownet:index:AwsShadowEnvironment",
  ],
  config: {
    properties: {
      maximumPercent: number(50, "Largest share of a shadow's machines that an experiment may hit."),
      maximumDurationSeconds: number(3600, "Longest time with faults."),
    },
  },
  checks: [
    (props, { config }) => {
      const own: [string, Props][] = props.actions === undefined ? [] : [["", props]];
      const nested = objects(props.experiments).flatMap((experiments) =>
        Object.keys(experiments).map((name): [string, Props] => [`experiments.${name}.`, experiments[name] as Props]),
      );
      return [...own, ...nested].flatMap(([path, { blastRadius }]) => {
        const [{ percent, durationSeconds } = {}] = objects(blastRadius);
        return [
          ...tooLarge(`${path}blastRadius.percent`, percent, Number(config.maximumPercent)),
          ...tooLarge(`${path}blastRadius.durationSeconds`, durationSeconds, Number(config.maximumDurationSeconds)),
        ];
      });
    },
  ],
};
