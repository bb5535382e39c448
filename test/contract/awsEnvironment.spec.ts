import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import {
  AwsShadowEnvironment,
  type AwsShadowEnvironmentArgs,
  environmentProblems,
} from "../../components/aws/environment";
import { isWithinBoundary } from "../../components/aws/iam/network";
import { loadRules } from "../../policies/pack";
import { smallAws, threeZoneAws } from "../support/awsTopologies";
import { type RecordedResource, asStack, productionAccountOf, recordResources } from "../support/awsMocks";
import { violations } from "../support/policyStack";

const full: AwsShadowEnvironmentArgs = {
  topology: smallAws,
  boundaries: [{ name: "shop-db", restore: true }],
  experiments: {
    appSlow: {
      actions: {
        slow: {
          fault: "latency",
          target: { machine: "app-1" },
          delayMilliseconds: 200,
          durationSeconds: 120,
        },
      },
    },
  },
};

async function record(args: AwsShadowEnvironmentArgs): Promise<RecordedResource[]> {
  return recordResources(() => new AwsShadowEnvironment("shop", args), productionAccountOf(args.topology));
}

describe("AwsShadowEnvironment with Pulumi's mocks", function () {
  this.timeout(180_000);
  let all: RecordedResource[];

  before(async () => {
    all = await record(full);
  });

  it("registers these children; a renamed one would be replaced at every user's", () => {
    const file = join(__dirname, "golden", "awsEnvironment.json");
    const golden = JSON.parse(readFileSync(file, "utf8")) as string[];
    assert.deepEqual(all.map(({ type, name }) => `${type} ${name}`).sort(), golden);
  });

  it("is the network alone when nothing else is asked for", async () => {
    const alone = await record({ topology: smallAws });
    assert.deepEqual(
      alone.filter(({ type }) => type.startsWith("shadownet:")).map(({ type, name }) => `${type} ${name}`),
      ["shadownet:index:AwsShadowEnvironment shop", "shadownet:index:AwsShadowNetwork shop-network"],
    );
  });

  it("has the component as the ancestor of every child", () => {
    const tree = pulumi.runtime.getMonitor() as unknown as { getRegisteredResources: () => Map<string, unknown> };
    const urns = [...tree.getRegisteredResources().keys()].map((urn) => urn.split("::")[2]!);
    const orphans = urns.filter((types) => types.startsWith("aws:"));
    assert.deepEqual(orphans, []);
  });

  it("passes the isolation and the fault policies", async () => {
    const folder = join(__dirname, "..", "..", "policies");
    const rules = ["isolation", "faults"].flatMap((pack) => loadRules(join(folder, pack)));
    const production = ["TrafficMirror", "mirror-sources"];
    const stack = asStack(all, "shadownet:index:AwsShadowEnvironment").map((one) => ({
      ...one,
      components: production.some((part) => one.type.includes(part) || one.name.includes(part))
        ? ["shadownet:index:AwsShadowEnvironment", "shadownet:index:AwsMirrorSources"]
        : ["shadownet:index:AwsShadowEnvironment"],
    }));
    assert.deepEqual(await violations(rules, stack), []);
  });

  it("gives no role an action that the permissions boundary takes away", () => {
    const policies = all.filter(({ type }) => type === "aws:iam/rolePolicy:RolePolicy");
    assert.ok(policies.length >= 3);
    for (const { name, inputs } of policies) {
      const { Statement } = JSON.parse(inputs.policy as string) as { Statement: { Action: string[] }[] };
      const beyond = Statement.flatMap(({ Action }) => Action).filter((action) => !isWithinBoundary(action));
      assert.deepEqual(beyond, [], name);
    }
    const roles = all.filter(({ type }) => type === "aws:iam/role:Role");
    for (const { name, inputs } of roles) {
      assert.equal(inputs.permissionsBoundary, "arn:aws:mock:::shop-network-boundary", name);
      assert.equal(inputs.path, "/shadownet/shop-dev/", name);
    }
  });

  it("holds no secret", () => {
    const text = JSON.stringify(all.filter(({ type }) => type.startsWith("aws:")).map(({ inputs }) => inputs));
    assert.ok(!/"(password|masterPassword|secretString|keyName|privateKey)"/i.test(text));
  });
});

describe("what an environment on AWS refuses", () => {
  it("is named all at once, whichever part it is about", () => {
    const problems = environmentProblems({
      topology: threeZoneAws,
      state: [{ machines: "*", memory: true }],
      experiments: {
        x: { actions: { cut: { fault: "linkDown", target: { machine: "wbe-a-1" }, durationSeconds: 60 } } },
      },
    });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["state[0].memory", "experiments.x.actions.cut.target.machine"],
    );
  });

  it("is a target that the shadow does not have although production has it", () => {
    const problems = environmentProblems({
      topology: threeZoneAws,
      scale: [{ machines: "web-a-*", replicas: 2 }],
      experiments: {
        x: { actions: { stop: { fault: "machineCrash", target: { machine: "web-a-8" }, durationSeconds: 60 } } },
      },
    });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["experiments.x.actions.stop.target.machine"],
    );
  });
});
