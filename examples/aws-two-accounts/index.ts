// A shadow in an account that holds shadows only; production's account gains the mirror and nothing else.
import { Provider } from "@pulumi/aws/provider.js";
import * as pulumi from "@pulumi/pulumi";
import { AwsShadowEnvironment, readTopology } from "shadownet/aws";

const config = new pulumi.Config();
const region = config.require("region");
const topology = readTopology(config.require("topology"));

const production = new Provider("production", { region, profile: config.require("productionProfile") });
const shadows = new Provider("shadows", { region, profile: config.require("shadowProfile") });

const shadow = new AwsShadowEnvironment(
  "shop",
  {
    topology,
    copySnapshots: true, // AWS registers images from snapshots of the own account only
    mirror: { percent: config.requireNumber("percent"), seed: 7 },
    experiments: {
      zoneLost: {
        title: "the first subnet loses its link to the rest",
        actions: {
          cut: {
            fault: "linkDown",
            target: { link: topology.networks[0]!.subnets[0]!.name },
            durationSeconds: 180,
          },
        },
        stopConditions: [{ signal: "app.errors", above: 0.9, forSeconds: 60 }],
        analysis: { baselineSeconds: 300, recoverySeconds: 180, stepSeconds: 10 },
      },
    },
    monitor: { alarms: [{ name: "errors in the shadow", signal: "app.errors", above: 0.05, forSeconds: 60 }] },
  },
  { provider: shadows, productionProvider: production },
);

export const networkId = shadow.networkId;
export const sessionIds = shadow.sessionIds;
