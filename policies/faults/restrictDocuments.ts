import { collect } from "../pack";
import type { Rule, StackFinding } from "../rule";
import { objects } from "../values";

const cure = "use an SSM document that the shadow makes, or one of AWS's own AWSFIS-Run documents";

export const rule: Rule = {
  description: "Commands that experiments send are documents of the shadow or of AWS's fault injection.",
  checkStack: ({ resources, shadow }) => {
    const own = new Set(shadow.filter(({ type }) => type === "aws:ssm/document:Document").map(({ urn }) => urn));
    const parts = resources
      .filter(({ type }) => type === "aws:fis/experimentTemplate:ExperimentTemplate")
      .flatMap((resource) => {
        const fromShadow = (resource.propertyDependencies.actions ?? []).some(({ urn }) => own.has(urn));
        return objects(resource.props.actions).map((action, a) => (): StackFinding[] => {
          const given = objects(action.parameters).find(({ key }) => key === "documentArn")?.value;
          if (action.actionId !== "aws:ssm:send-command" || fromShadow) return [];
          if (/:document\/AWSFIS-Run-[A-Za-z-]+$/.test(String(given))) return [];
          const property = `actions[${a}].parameters.documentArn`;
          return [{ resource, property, value: given, reason: "nobody has read what it does", cure }];
        });
      });
    const { findings, unknown } = collect(parts);
    if (findings.length === 0 && unknown !== undefined) throw unknown;
    return findings;
  },
};
