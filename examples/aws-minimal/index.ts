// A shadow of one VPC in its own account and region, with one experiment and one alarm.
import * as pulumi from "@pulumi/pulumi";
import { AwsShadowEnvironment, readTopology } from "shadownet/aws";

const config = new pulumi.Config();

const shadow = new AwsShadowEnvironment("shop", {
  topology: readTopology(config.require("topology")),
  mirror: {
    percent: config.requireNumber("percent"),
    seed: 7,
    exclude: [{ protocol: "tcp", destinationPorts: ["22"] }],
  },
  experiments: {
    webSlow: {
      title: "120 ms on everything that web-1 sends",
      actions: {
        delay: {
          fault: "latency",
          target: { machine: "web-1" },
          direction: "egress",
          delayMilliseconds: 120,
          durationSeconds: 120,
        },
      },
      stopConditions: [{ signal: "app.errors", above: 0.5, forSeconds: 60 }],
      analysis: { baselineSeconds: 300, recoverySeconds: 120, stepSeconds: 10 },
    },
  },
  monitor: { alarms: [{ name: "errors in the shadow", signal: "app.errors", above: 0.05, forSeconds: 60 }] },
});

export const networkId = shadow.networkId;
export const machineIds = shadow.machineIds;
export const fidelity = shadow.fidelity;
