import { readdir, rm } from "node:fs/promises";
import { basename, join } from "node:path";

import type { Experiment } from "../../experiment";
import { readJson, writeAtomically } from "../../internal/files";
import { refuse } from "../../internal/problems";
import type { ConsoleBackEnd } from "./backEnd";
import { conflict, notFound } from "./errors";

/** An experiment and where its definition comes from: the stack, or the controller's HTTP API. */
export interface KnownExperiment {
  name: string;
  source: "stack" | "api";
  experiment: Experiment;
}

/** Experiments by shadow: the stack's, which are only read, and those made through the API, which it keeps. */
export class ExperimentBook {
  constructor(
    private readonly backEnd: ConsoleBackEnd,
    private readonly folder: string,
  ) {}

  /** All experiments of a shadow, by name; throws when there is no such shadow. */
  async list(shadow: string): Promise<KnownExperiment[]> {
    await this.requireShadow(shadow);
    const stack = Object.entries(await this.backEnd.experiments(shadow));
    const own = Object.entries(await this.own(shadow)).filter(([name]) => stack.every(([taken]) => taken !== name));
    const known = (source: "stack" | "api", entries: [string, Experiment][]): KnownExperiment[] =>
      entries.map(([name, experiment]) => ({ name, source, experiment }));
    return [...known("stack", stack), ...known("api", own)].sort((a, b) => a.name.localeCompare(b.name));
  }

  /** One experiment; throws when there is none of this name. */
  async get(shadow: string, name: string): Promise<KnownExperiment> {
    const all = await this.list(shadow);
    const found = all.find((known) => known.name === name);
    if (found === undefined) {
      throw notFound(
        "experiment",
        name,
        all.map((known) => known.name),
      );
    }
    return found;
  }

  /** Throws a ProblemsError that names everything that is wrong with an experiment. */
  async check(shadow: string, name: string, experiment: unknown): Promise<Experiment> {
    await this.requireShadow(shadow);
    refuse(`experiment ${name}`, await this.backEnd.problems(shadow, name, experiment));
    return experiment as Experiment;
  }

  /** Checks and keeps an experiment; throws when the stack defines one of this name. */
  async create(shadow: string, name: string, experiment: unknown): Promise<KnownExperiment> {
    const checked = await this.check(shadow, name, experiment);
    if ((await this.backEnd.experiments(shadow))[name] !== undefined) {
      throw conflict("defined-by-stack", `"${name}" is defined by the stack; change it there, or choose another name`);
    }
    await writeAtomically(this.file(shadow, name), `${JSON.stringify(checked, null, 2)}\n`, 0o600);
    return { name, source: "api", experiment: checked };
  }

  /** Forgets an experiment that was made through the API. */
  async remove(shadow: string, name: string): Promise<void> {
    const { source } = await this.get(shadow, name);
    if (source === "stack") throw conflict("defined-by-stack", `"${name}" is defined by the stack; remove it there`);
    await rm(this.file(shadow, name), { force: true });
  }

  /** Throws when there is no such shadow. */
  async requireShadow(shadow: string): Promise<void> {
    const shadows = await this.backEnd.shadows();
    if (!shadows.includes(shadow)) throw notFound("shadow", shadow, shadows);
  }

  private async own(shadow: string): Promise<Record<string, Experiment>> {
    const folder = join(this.folder, shadow);
    const files = (await readdir(folder).catch(() => [] as string[])).filter((file) => file.endsWith(".json"));
    const entries = await Promise.all(
      files.map(async (file) => [basename(file, ".json"), await readJson<Experiment>(join(folder, file))] as const),
    );
    return Object.fromEntries(entries.filter((entry): entry is [string, Experiment] => entry[1] !== undefined));
  }

  private file(shadow: string, name: string): string {
    return join(this.folder, shadow, `${name}.json`);
  }
}
