import type { Experiment } from "../../experiment";
import type { MonitorSettings } from "../../monitor";
import type { FidelityItem } from "../../network";
import type { Topology } from "../../topology";
import type { AwsShadowReference } from "../shadow";

/** What a shadow on AWS tells those who run experiments on it; the environment puts it into the gateways' bucket. */
export interface AwsShadowRecord {
  /** Version of this format; 1. */
  version: number;
  /** The topology as built, after scaling. */
  topology: Topology;
  fidelity: FidelityItem[];
  /** Experiments that a runner can carry out. */
  experiments: Record<string, Experiment>;
  /** The other experiments, and their faults that FIS alone carries out. Defaults to none. */
  onlyFis?: Record<string, string[]>;
  monitor: MonitorSettings;
  /** Ids of the shadow's parts. */
  shadow: AwsShadowReference;
  /** Path of the parameters that steer the mirror's gateways. */
  parameterPath: string;
  /** Account and region of production, whose metrics are live's. */
  production: { accountId: string; region: string };
  /** Percent of live traffic that is mirrored. */
  percent: number;
}

/** Why a runner does not carry an experiment of the stack out, by the experiment's name. */
export function notRunHere({ onlyFis = {} }: Pick<AwsShadowRecord, "onlyFis">): Record<string, string> {
  const cure = "start its template in FIS, by its state machine or its schedule, or take `awsActions` out";
  return Object.fromEntries(
    Object.entries(onlyFis).map(([name, faults]) => [
      name,
      `experiment "${name}" has faults that FIS alone carries out (${faults.join(", ")}); ${cure}`,
    ]),
  );
}

/** Key of the record in the bucket. */
export const recordKey = "record.json";
