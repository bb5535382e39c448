import assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";
import type { MockResourceArgs } from "@pulumi/pulumi/runtime";

import { type LabShadowEnvironmentArgs, LabShadowEnvironment } from "../../components/lab";
import { pairTopology } from "../support/labPair";

interface Registered {
  type: string;
  name: string;
  inputs: Record<string, unknown>;
}

/** Every resource that the arguments register, by the recording stand-in of the engine. */
async function register(args: Partial<LabShadowEnvironmentArgs>): Promise<Registered[]> {
  const registered: Registered[] = [];
  await pulumi.runtime.setMocks(
    {
      newResource: ({ type, name, inputs }: MockResourceArgs) => {
        registered.push({ type, name, inputs: inputs as Record<string, unknown> });
        return { id: `${name}-id`, state: inputs as Record<string, unknown> };
      },
      call: ({ token }) => {
        throw new Error(`unexpected call of ${token}`);
      },
    },
    "project",
    "dev",
  );
  new LabShadowEnvironment("shop", { topology: pairTopology, ...args });
  await pulumi.runtime.disconnect();
  return registered;
}

const full: Partial<LabShadowEnvironmentArgs> = {
  mirror: { percent: 25 },
  experiments: {
    dbLink: { actions: { cut: { fault: "linkDown", target: { link: "web-1/eth0" }, durationSeconds: 5 } } },
  },
  monitor: { alarms: [{ name: "errors", signal: "app.errors", above: 0.1 }] },
};

describe("LabShadowEnvironment", function () {
  this.timeout(60_000);

  it("registers these children; a renamed one would be replaced at every user's", async () => {
    const names = (await register(full)).map(({ type, name }) => `${type} ${name}`);
    assert.deepEqual(names.sort(), [
      "shadownet:index:LabFaultExperiment shop-experiment-dbLink",
      "shadownet:index:LabMonitor shop-monitor",
      "shadownet:index:LabShadowEnvironment shop",
      "shadownet:index:LabShadowNetwork shop-network",
      "shadownet:index:LabTrafficMirror shop-mirror",
      "shadownetlab:index:Experiment shop-experiment-dbLink-definition",
      "shadownetlab:index:Gateway shop-mirror-gateway",
      "shadownetlab:index:Machine shop-network-machine-web-1",
      "shadownetlab:index:Mirror shop-mirror-session",
      "shadownetlab:index:Monitor shop-monitor-definition",
      "shadownetlab:index:Network shop-network-network",
      "shadownetlab:index:Subnet shop-network-subnet-front",
    ]);
  });

  it("clones no client, and mirrors to production's own addresses at the asked share", async () => {
    const registered = await register({ ...full, scale: [{ machines: "web-1", replicas: 2 }] });
    const machines = registered.filter(({ type }) => type === "shadownetlab:index:Machine");
    assert.deepEqual(machines.map(({ inputs }) => inputs.machine).sort(), ["web-1", "web-2"]);
    const mirror = registered.find(({ type }) => type === "shadownetlab:index:Mirror")!.inputs;
    assert.deepEqual(mirror.services, [{ addresses: ["10.90.1.11", "fd00:90:0:1::11"], port: 80, protocol: "tcp" }]);
    assert.equal(mirror.percent, 25);
    assert.equal(mirror.network, "shop-dev");
  });

  it("refuses everything that is wrong in one error", async () => {
    await assert.rejects(
      register({
        mirror: { percent: 101 },
        experiments: {
          x: { actions: { cut: { fault: "linkDown", target: { machine: "wbe-1" }, durationSeconds: 5 } } },
        },
        monitor: { signals: ["app.latncy.p95"] },
      }),
      (error: unknown) => {
        assert.ok(pulumi.InputPropertiesError.isInstance(error));
        const paths = error.errors.map(({ propertyPath }) => propertyPath);
        assert.deepEqual(paths, ["mirror.percent", "experiments.x.actions.cut.target.machine", "monitor.signals[0]"]);
        return true;
      },
    );
  });
});
