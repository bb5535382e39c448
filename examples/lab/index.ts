// The lab stack: a shadow of the example's production, its mirror, three experiments, and a monitor.
import { existsSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";
import { LabShadowEnvironment, readTopology } from "shadownet/lab";

const config = new pulumi.Config();
const root = [process.cwd(), join(process.cwd(), "..", "..")].find((folder) =>
  existsSync(join(folder, "PulumiPlugin.yaml")),
);

/** What `shadownet capture lab --network production` wrote; `pulumi config set topology <file>` names another file. */
const file = config.get("topology") ?? join(root ?? ".", "topology.json");

const shadow = new LabShadowEnvironment("shop", {
  topology: readTopology(file),
  mirror: { percent: config.getNumber("percent") ?? 100 },
  experiments: {
    dbLink: {
      title: "the link to the store goes down",
      hypothesis: {
        probes: [{ name: "most requests succeed", signal: "app.errors", tolerance: { maximum: 0.05 } }],
      },
      actions: { cut: { fault: "linkDown", target: { link: "data-1/eth0" }, durationSeconds: 15 } },
      blastRadius: { machines: 1, links: 1, durationSeconds: 30 },
      analysis: { baselineSeconds: 25, recoverySeconds: 10 },
    },
    slowStore: {
      title: "80 ms on the way from one app machine to the store",
      actions: {
        delay: {
          fault: "latency",
          target: {
            link: "app-1/eth0",
            flow: { protocol: "tcp", destinationCidr: "10.20.3.11/32", destinationPorts: "6379" },
          },
          direction: "egress",
          delayMilliseconds: 80,
          pulse: { activeSeconds: 3, dormantSeconds: 3, repeat: 8 },
        },
      },
      blastRadius: { links: 1, durationSeconds: 60 },
      analysis: { baselineSeconds: 25, recoverySeconds: 10 },
    },
    appCrash: {
      title: "one of two app machines crashes and comes back",
      actions: { crash: { fault: "machineCrash", target: { machine: "app-2" }, durationSeconds: 15 } },
      stopConditions: [{ signal: "app.errors", above: 0.9, forSeconds: 8 }],
      blastRadius: { machines: 1, durationSeconds: 30 },
      analysis: { baselineSeconds: 25, recoverySeconds: 10 },
    },
  },
  monitor: {
    alarms: [
      { name: "errors in the shadow", signal: "app.errors", above: 0.05, forSeconds: 5, severity: "critical" },
      { name: "slower than live", signal: "app.latency.p95", side: "gap", above: 100, forSeconds: 10 },
    ],
  },
});

export const networkId = shadow.networkId;
export const machineIds = shadow.machineIds;
export const gatewayUrl = shadow.gatewayUrl;
export const fidelity = shadow.fidelity;
