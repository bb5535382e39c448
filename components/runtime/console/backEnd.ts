import type { Experiment } from "../../experiment";
import type { Problem } from "../../internal/problems";
import type { MonitorSettings } from "../../monitor";
import type { Driver } from "../runner/driver";

/** All that the controller knows of a back end; the command line hands it in. */
export interface ConsoleBackEnd {
  /** Names of the shadows that exist now. */
  shadows(): Promise<string[]>;
  /** Opens a shadow's driver; throws when there is no such shadow. */
  open(shadow: string): Promise<Driver>;
  /** The experiments that the stack defines, by name. */
  experiments(shadow: string): Promise<Record<string, Experiment>>;
  /** What the stack wants watched. */
  monitor(shadow: string): Promise<MonitorSettings>;
  /** Everything that is wrong with an experiment on this shadow. */
  problems(shadow: string, name: string, experiment: unknown): Promise<Problem[]>;
}
