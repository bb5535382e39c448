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
  experiments: Record<string, Experiment>;
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

/** Key of the record in the bucket. */
export const recordKey = "record.json";
