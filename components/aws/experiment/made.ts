import type * as pulumi from "@pulumi/pulumi";

import type { AwsFaultExperimentArgs } from "../experiment";
import type { ShadowParts } from "../shadowParts";
import type { ExperimentPlan } from "./model";

/** What the makers of children need. */
export interface Made {
  name: string;
  own: string;
  args: AwsFaultExperimentArgs;
  plan: ExperimentPlan;
  shadow: ShadowParts;
  tags: pulumi.Output<Record<string, string>>;
  parent: pulumi.Resource;
}
