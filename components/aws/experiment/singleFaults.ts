import type { Experiment, ExperimentAction } from "../../experiment";
import type { PlannedTemplate, SingleFault } from "./model";
import type { ActionParts } from "./parts";

/** Behind the name of what is done once of a pulse. */
const once = "-once";

/**
 * The faults of an experiment one by one, without gates and without waiting for one another. `partsOf` plans one action;
 * one that cannot stand alone, such as a pulse shorter than FIS's own actions, has no template.
 */
export function singleFaults(
  { actions }: Experiment,
  planned: ReadonlyMap<string, ActionParts>,
  partsOf: (name: string, action: ExperimentAction) => ActionParts | undefined,
): SingleFault[] {
  return Object.entries(actions).flatMap(([name, action]) => {
    if (action.fault === undefined) return [];
    const { pulse, ...rest } = action;
    if (pulse === undefined) {
      const parts = planned.get(name);
      return parts === undefined || parts.actions.length === 0
        ? []
        : [{ action: name, template: templateOf(name, parts), documents: [] }];
    }
    const parts = partsOf(`${name}${once}`, { ...rest, durationSeconds: pulse.activeSeconds });
    if (parts === undefined || parts.actions.length === 0) return [];
    return [{ action: name, template: templateOf(name, parts), documents: parts.documents }];
  });
}

function templateOf(key: string, { actions, targets }: ActionParts): PlannedTemplate {
  return { key, actions, targets };
}
