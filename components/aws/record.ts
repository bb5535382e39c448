import { BucketObjectv2 } from "@pulumi/aws/s3/bucketObjectv2";
import * as pulumi from "@pulumi/pulumi";

import type { Experiment } from "../experiment";
import type { MonitorSettings } from "../monitor";
import type { FidelityItem } from "../network";
import type { Topology } from "../topology";
import { type AwsShadowRecord, recordKey } from "./driver/recordFormat";
import { metricStepSeconds } from "./metrics";
import type { AwsShadowReference } from "./shadow";
import { shadowParts } from "./shadowParts";

/** What goes into the record of a shadow. */
export interface RecordSettings {
  topology: Topology;
  fidelity: pulumi.Output<FidelityItem[]>;
  experiments: Record<string, Experiment>;
  /** Faults that FIS alone carries out, of the experiments that have some. */
  onlyFis: Record<string, string[]>;
  monitor: MonitorSettings;
  shadow: pulumi.Output<AwsShadowReference>;
  /** Name of the parameter that opens and closes the gateways' intake. */
  intakeParameter: pulumi.Output<string>;
  /** Account and region of production. */
  production: { accountId?: string; region?: string };
  percent: number;
}

/**
 * The record that `shadownet run` and the console read of a shadow, an object in its bucket: without it a runner would
 * not know which experiments the stack defines and which instance is which machine.
 */
export function makeRecord(name: string, settings: RecordSettings, opts: pulumi.CustomResourceOptions): void {
  const { topology, fidelity, experiments, onlyFis, monitor, shadow, intakeParameter, production, percent } = settings;
  const content = pulumi.all([fidelity, shadow, intakeParameter]).apply(([items, reference, parameter]) => {
    const record: AwsShadowRecord = {
      version: 1,
      topology,
      fidelity: items,
      experiments: Object.fromEntries(Object.entries(experiments).map(([key, value]) => [key, sampled(value)])),
      onlyFis,
      monitor,
      shadow: reference,
      parameterPath: parameter.slice(0, parameter.lastIndexOf("/")),
      production: {
        accountId: production.accountId ?? reference.accountId,
        region: production.region ?? reference.region,
      },
      percent,
    };
    return JSON.stringify(record);
  });
  const parts = shadowParts(shadow);
  new BucketObjectv2(
    `${name}-record`,
    {
      bucket: parts.bucketName,
      key: recordKey,
      content,
      contentType: "application/json",
      serverSideEncryption: "aws:kms",
      kmsKeyId: parts.kmsKeyArn,
    },
    opts,
  );
}

/** Gateways publish every ten seconds: an experiment that does not say how long a sample is gets that. */
function sampled(experiment: Experiment): Experiment {
  return { ...experiment, analysis: { stepSeconds: metricStepSeconds, ...experiment.analysis } };
}
