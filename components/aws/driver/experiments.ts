import {
  type Experiment,
  type FisClient,
  GetExperimentCommand,
  StartExperimentCommand,
  StopExperimentCommand,
  paginateListExperimentTemplates,
  paginateListExperiments,
} from "@aws-sdk/client-fis";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { actionTag, experimentTag, faultTag, shadowTag } from "../shadow";
import { until } from "./waiting";

const startLimit = 50_000;
const stopLimit = 14_000;
/** States in which an experiment does nothing any more; newer ones than the client's model are among them. */
const over: readonly string[] = ["completed", "stopped", "failed", "cancelled"];

/** A template that carries out one fault. */
export interface FaultTemplate {
  id: string;
  /** Name under which its documents keep their files on the machines; its beginning where there are several. */
  folder: string;
}

/** The FIS experiments of one shadow, each of which carries out one fault. */
export class FisExperiments {
  private templates: Promise<Map<string, FaultTemplate>> | undefined;

  constructor(
    private readonly fis: FisClient,
    private readonly shadowName: string,
  ) {}

  /** Starts the experiment of a fault and returns its id when FIS says that the action is under way. */
  async start(faultId: string): Promise<string> {
    const { id: experimentTemplateId } = await this.template(faultId);
    const tags = { [shadowTag]: this.shadowName, [faultTag]: faultId };
    const { experiment } = await this.fis.send(new StartExperimentCommand({ experimentTemplateId, tags }));
    const id = experiment!.id!;
    const started = await until(startLimit, `experiment ${id} to start`, async () => {
      const current = await this.get(id);
      return current.state?.status === "running" || over.includes(String(current.state?.status)) ? current : undefined;
    });
    if (started.state?.status === "failed") {
      throw new ShadownetError("fault-not-started", `experiment ${id}: ${started.state.reason ?? "it failed"}`);
    }
    return id;
  }

  /** The template of a fault; throws when the stack has defined none. */
  async template(faultId: string): Promise<FaultTemplate> {
    this.templates ??= this.readTemplates();
    const template = (await this.templates).get(faultId);
    if (template !== undefined) return template;
    const cure = "AWS runs experiments that the stack defines: add it there and run `pulumi up`";
    throw new ShadownetError("no-template", `FIS has no template for fault "${faultId}"; ${cure}`, ExitCode.BadInput);
  }

  /** Stops an experiment and returns when FIS has undone it; does nothing when it is over. */
  async stop(id: string): Promise<void> {
    if (over.includes(String((await this.get(id)).state?.status))) return;
    await this.fis.send(new StopExperimentCommand({ id }));
    await until(stopLimit, `experiment ${id} to stop`, async () =>
      over.includes(String((await this.get(id)).state?.status)) ? true : undefined,
    );
  }

  /** State of an experiment, with those of its actions. */
  async get(id: string): Promise<Experiment> {
    const { experiment } = await this.fis.send(new GetExperimentCommand({ id }));
    return experiment!;
  }

  /** Ids of the experiments on this shadow that are not over, with the fault that each carries out. */
  async active(): Promise<{ id: string; fault: string }[]> {
    const found: { id: string; fault: string }[] = [];
    for await (const { experiments = [] } of paginateListExperiments({ client: this.fis }, {})) {
      for (const { id, tags = {}, state } of experiments) {
        if (tags[shadowTag] !== this.shadowName || over.includes(String(state?.status))) continue;
        found.push({ id: id!, fault: tags[faultTag] ?? "a whole experiment" });
      }
    }
    return found;
  }

  /** Ids of all templates of the shadow, of whole experiments and of single faults. */
  async templateIds(): Promise<string[]> {
    const found: string[] = [];
    for await (const { experimentTemplates = [] } of paginateListExperimentTemplates({ client: this.fis }, {})) {
      found.push(
        ...experimentTemplates.flatMap(({ id, tags }) => (tags?.[shadowTag] === this.shadowName ? [id!] : [])),
      );
    }
    return found;
  }

  private async readTemplates(): Promise<Map<string, FaultTemplate>> {
    const found = new Map<string, FaultTemplate>();
    for await (const { experimentTemplates = [] } of paginateListExperimentTemplates({ client: this.fis }, {})) {
      for (const { id, tags = {} } of experimentTemplates) {
        const fault = tags[faultTag];
        if (tags[shadowTag] !== this.shadowName || fault === undefined) continue;
        found.set(fault, { id: id!, folder: `${tags[experimentTag]}.${tags[actionTag]}` });
      }
    }
    return found;
  }
}
