// One program, a stack per environment: what differs stands in the stacks' configuration.
import * as pulumi from "@pulumi/pulumi";
import { AwsShadowEnvironment, readTopology } from "shadownet/aws";

const config = new pulumi.Config();
const file = config.require("topology");
const topology = readTopology(file);
const networkStack = config.get("networkStack") ?? "";

// A topology of another environment would make a perfect shadow of the wrong network.
if (networkStack !== "") {
  const vpcId = new pulumi.StackReference(networkStack).requireOutput("vpcId") as pulumi.Output<string>;
  const captured = topology.aws?.vpcId;
  vpcId.apply((id) => {
    if (id === captured) return;
    throw new Error(
      `${file} was captured from ${captured ?? "no VPC"}, but ${networkStack} made ${id}; capture it anew`,
    );
  });
}

const shadow = new AwsShadowEnvironment(`shop-${pulumi.getStack()}`, {
  topology,
  mirror: { percent: config.requireNumber("percent"), seed: 7 },
  experiments: {
    webDown: {
      title: "one web machine stops and comes back",
      actions: { stop: { fault: "machineCrash", target: { machine: "web-1" }, durationSeconds: 180 } },
      stopConditions: [{ signal: "app.errors", above: 0.9, forSeconds: 60 }],
      analysis: { baselineSeconds: 300, recoverySeconds: 180, stepSeconds: 10 },
      schedule: { cron: "30 9 * * 2", timeZone: "Europe/Berlin" },
    },
  },
  monitor: {
    alarms: [{ name: "errors in the shadow", signal: "app.errors", above: 0.05, forSeconds: 60, severity: "critical" }],
    notify: config.requireObject<string[]>("notify"),
  },
});

export const networkId = shadow.networkId;
export const machineIds = shadow.machineIds;
export const experimentIds = shadow.experimentIds;
