import { z } from "zod";

import type { Experiment, ExperimentAction, FaultTarget, Probe, Tolerance } from "../../experiment";
import { experimentShape } from "../../validation/experimentShape";
import { type Problem, refuse } from "../../internal/problems";
import { shapeProblems } from "../../validation/shape";
import { knownAction } from "./chaosToolkitActions";

/** Name of the extension that carries our own definition through a Chaos Toolkit document. */
const extensionName = "shadownet";

const activity = z.object({
  type: z.enum(["action", "probe"]),
  name: z.string().min(1),
  provider: z.looseObject({
    type: z.enum(["python", "process", "http"]),
    module: z.string().optional(),
    func: z.string().optional(),
    arguments: z.unknown().optional(),
  }),
  tolerance: z.unknown().optional(),
  background: z.boolean().optional(),
  pauses: z.object({ before: z.number().optional(), after: z.number().optional() }).optional(),
});

type Activity = z.infer<typeof activity>;

const chaosToolkitShape = z.looseObject({
  title: z.string(),
  description: z.string().optional(),
  "steady-state-hypothesis": z.object({ title: z.string().optional(), probes: z.array(activity) }).optional(),
  method: z.array(activity),
  rollbacks: z.array(activity).optional(),
  extensions: z.array(z.looseObject({ name: z.string() })).optional(),
});

/** What a Chaos Toolkit document cannot say by itself. */
export interface ImportSettings {
  /** What of the shadow an action hits, by the action's name; Chaos Toolkit names clusters, proxies and accounts. */
  targets?: Record<string, FaultTarget>;
  /** Signal that a probe looks at, by the probe's name, for example `app.latency.p95`. */
  signals?: Record<string, string>;
  /** How long a fault lasts that is followed by no pause. Defaults to 60. */
  durationSeconds?: number;
}

/** An imported experiment, and in which points it differs from the document. */
export interface ImportedExperiment {
  experiment: Experiment;
  notes: string[];
}

/**
 * Makes an experiment of a Chaos Toolkit document (JSON, parsed). Steps become actions in the same order; the pause after
 * a fault is how long it lasts; steps that only take a fault back are left out, because undoing is not left to steps;
 * probes become the hypothesis. Throws a ProblemsError that names every step which has no counterpart or no target.
 */
export function importChaosToolkit(document: unknown, settings: ImportSettings = {}): ImportedExperiment {
  refuse("Chaos Toolkit experiment", shapeProblems(chaosToolkitShape, document));
  const parsed = chaosToolkitShape.parse(document);
  const own = parsed.extensions?.find(({ name }) => name === extensionName);
  if (own !== undefined) return importOwn(own["experiment"]);
  return new Import(settings).import(parsed);
}

/**
 * Makes a Chaos Toolkit document of an experiment: `chaos run` carries it out by calling `shadownet run`, and
 * {@link importChaosToolkit} gives back exactly the same experiment.
 */
export function exportChaosToolkit(name: string, experiment: Experiment): Record<string, unknown> {
  const title = experiment.title ?? name;
  const provider = { type: "process", path: "shadownet", arguments: ["run", name], timeout: null };
  return {
    version: "1.0.0",
    title,
    description: `${title}: on an isolated shadow of the network, under mirrored traffic`,
    tags: ["shadownet"],
    method: [{ type: "action", name, provider }],
    rollbacks: [],
    extensions: [{ name: extensionName, experiment }],
  };
}

function importOwn(experiment: unknown): ImportedExperiment {
  const problems = shapeProblems(experimentShape, experiment);
  const path = `extensions.${extensionName}.experiment`;
  refuse(
    "Chaos Toolkit experiment",
    problems.map((problem) => ({ path: `${path}.${problem.path}`, reason: problem.reason })),
  );
  return { experiment: experiment as Experiment, notes: [] };
}

class Import {
  private readonly problems: Problem[] = [];
  private readonly notes: string[] = [];
  private readonly actions: Record<string, ExperimentAction> = {};
  private readonly probes: Probe[] = [];
  private last: string[] = [];

  constructor(private readonly settings: ImportSettings) {}

  import(document: z.infer<typeof chaosToolkitShape>): ImportedExperiment {
    const hypothesis = document["steady-state-hypothesis"];
    (hypothesis?.probes ?? []).forEach((probe) => this.probe(probe));
    document.method.forEach((step, index) => this.step(step, `method[${index}]`));
    if ((document.rollbacks ?? []).length > 0) this.notes.push("rollbacks are left out: every fault is always undone");
    if (this.problems.length === 0 && Object.keys(this.actions).length === 0) {
      this.problems.push({ path: "method", reason: "there is nothing in it that can be carried out" });
    }
    refuse("Chaos Toolkit experiment", this.problems);
    const experiment: Experiment = { title: document.title, actions: this.actions };
    if (this.probes.length > 0) {
      experiment.hypothesis = { probes: this.probes, ...(hypothesis?.title && { title: hypothesis.title }) };
    }
    return { experiment, notes: this.notes };
  }

  private step(step: Activity, path: string): void {
    if (step.pauses?.before !== undefined && step.pauses.before > 0) {
      this.add(`${step.name}-pause-before`, { waitSeconds: step.pauses.before }, false);
    }
    if (step.type === "probe") this.probe(step);
    else this.action(step, path);
  }

  private action(step: Activity, path: string): void {
    const after = step.pauses?.after ?? 0;
    const known = knownAction(step.provider);
    if (known === "undo") {
      this.notes.push(`${step.name} is left out: the fault that it takes back ends by itself`);
      return;
    }
    if (known === undefined) {
      const { type, module, func } = step.provider;
      const what = type === "python" ? `${module ?? "?"}.${func ?? "?"}` : `a ${type} provider`;
      const cure = "write the action as a fault or a command of the shadow, see docs/experiments.md";
      this.problems.push({ path: `${path}.provider`, reason: `${what} has no counterpart in a shadow; ${cure}` });
      return;
    }
    const target = this.settings.targets?.[step.name];
    if (target === undefined) {
      const reason = `say which machine or link of the shadow "${step.name}" hits; Chaos Toolkit cannot name one`;
      this.problems.push({ path: `${path}.provider.arguments`, reason });
      return;
    }
    const durationSeconds = after > 0 ? after : (this.settings.durationSeconds ?? 60);
    if (after === 0) this.notes.push(`${step.name} lasts ${durationSeconds} seconds, because no pause follows it`);
    this.notes.push(...known.notes.map((note) => `${step.name}: ${note}`));
    this.add(step.name, { ...known.parameters, target, durationSeconds }, step.background === true);
  }

  /** In a document steps follow each other; one in the background does not hold up the next. */
  private add(name: string, action: ExperimentAction, background: boolean): void {
    const plain = name.replaceAll(/[^\w-]+/g, "-").replace(/^[^A-Za-z]+/, "") || "step";
    let unique = plain.slice(0, 60);
    for (let number = 2; unique in this.actions; number++) unique = `${plain.slice(0, 57)}-${number}`;
    this.actions[unique] = this.last.length === 0 ? action : { ...action, startAfter: this.last };
    if (!background) this.last = [unique];
  }

  private probe(probe: Activity): void {
    const signal = this.settings.signals?.[probe.name];
    const tolerance = toTolerance(probe.tolerance);
    if (signal !== undefined && tolerance !== undefined) {
      this.probes.push({ name: probe.name, signal, tolerance });
      return;
    }
    if (probe.provider.type === "http" && isSuccess(probe.tolerance)) {
      this.probes.push({ name: probe.name, signal: "app.errors", tolerance: { maximum: 0.01 } });
      this.notes.push(`${probe.name} becomes: at most 1 % of the mirrored requests fail in the shadow`);
      return;
    }
    const why = signal === undefined ? "no signal was given for it" : "its tolerance is no range of numbers";
    this.notes.push(`probe ${probe.name} is left out: ${why}`);
  }
}

/** The HTTP statuses that a service in good order answers with. */
function isSuccess(tolerance: unknown): boolean {
  return typeof tolerance === "number" && tolerance >= 200 && tolerance < 400;
}

/** Chaos Toolkit's `[low, high]` and `{"type": "range", "range": [low, high]}`, or one exact number. */
function toTolerance(tolerance: unknown): Tolerance | undefined {
  const range = z.tuple([z.number(), z.number()]);
  const forms = z.union([range, z.object({ type: z.literal("range"), range }).transform((value) => value.range)]);
  const parsed = forms.safeParse(tolerance);
  if (parsed.success) return { minimum: parsed.data[0], maximum: parsed.data[1] };
  return typeof tolerance === "number" ? { minimum: tolerance, maximum: tolerance } : undefined;
}
