import assert from "node:assert/strict";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";

import type { AwsExperimentDefinition } from "../../components/aws/environment";
import type { MonitorSettings } from "../../components/monitor";
import type { ScaleRule } from "../../components/network";
import { makeAwsProject, policyPack } from "../support/awsEngine";
import { smallAws } from "../support/awsTopologies";
import type { EngineProject, EngineResult } from "../support/engine";

const program = `
const { readFileSync } = require("node:fs");
const { AwsShadowEnvironment } = require("shadownet/aws");
const { InternetGateway } = require("@pulumi/aws/ec2");
const { openTheDoor, ...settings } = JSON.parse(readFileSync(__dirname + "/settings.json", "utf8"));
const topology = JSON.parse(readFileSync(__dirname + "/topology.json", "utf8"));
const shadow = new AwsShadowEnvironment("shop", { topology, ...settings });
if (openTheDoor) new InternetGateway("door", { vpcId: shadow.networkId });
module.exports = { networkId: shadow.networkId, sessionIds: shadow.sessionIds, experimentIds: shadow.experimentIds };
`;

interface Settings {
  mirror: { percent: number; seed: number };
  experiments: Record<string, AwsExperimentDefinition>;
  monitor: MonitorSettings;
  scale?: ScaleRule[];
  openTheDoor?: boolean;
}

const settings: Settings = {
  mirror: { percent: 10, seed: 7 },
  experiments: {
    webSlow: {
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
      blastRadius: { machines: 1, durationSeconds: 300 },
      analysis: { baselineSeconds: 300, recoverySeconds: 120, stepSeconds: 10 },
    },
    calls: {
      actions: {},
      awsActions: {
        throttled: { fault: "apiThrottling", operations: ["DescribeInstances"], percent: 50, durationSeconds: 120 },
        noStart: { fault: "apiNoCapacity", roles: ["worker"], durationSeconds: 60, startAfter: ["throttled"] },
      },
      blastRadius: { machines: 4 },
    },
  },
  monitor: {
    alarms: [{ name: "errors", signal: "app.errors", above: 0.05, forSeconds: 60 }],
    notify: ["mailto:oncall@example.com"],
  },
};

describe("AwsShadowEnvironment under the real engine, with a stand-in for the aws provider", function () {
  this.timeout(900_000);
  let project: EngineProject;
  const packs = (["isolation", "faults"] as const).flatMap((name) => ["--policy-pack", policyPack(name)]);

  const write = (changes: Partial<Settings> = {}): Promise<void> =>
    project.write("settings.json", JSON.stringify({ ...settings, ...changes }));
  const done = (result: EngineResult): EngineResult => {
    assert.equal(result.code, 0, result.stdout + result.stderr);
    return result;
  };
  const changes = ({ steps }: EngineResult): string[] =>
    steps
      .filter(({ operation }) => operation !== "same")
      .map(({ operation, type, name }) => `${operation} ${type} ${name}`);

  before(async () => {
    project = await makeAwsProject({ program, files: { "topology.json": JSON.stringify(smallAws) } });
  });
  after(() => project.dispose());

  it("is stopped by the policy packs, before anything is made, when a door is added beside it", async () => {
    await write({ openTheDoor: true });
    const refused = await project.pulumi(["up", "--yes", "--stack", "dev", "--color", "never", ...packs]);
    assert.notEqual(refused.code, 0);
    assert.match(refused.stdout + refused.stderr, /\[isolation-forbid-internet-paths\] door: type/);
    assert.deepEqual((await project.exportState()).deployment.resources ?? [], []);
  });

  it("previews and comes up under both policy packs", async () => {
    await write();
    const preview = done(await project.preview(...packs));
    assert.match(preview.stdout, /fidelity/);
    const up = done(await project.up(...packs));
    assert.ok(up.counts.create > 100, `${up.counts.create} resources`);
    const outputs = await project.outputs();
    assert.ok((outputs.sessionIds as string[]).length > 0);
    assert.deepEqual(outputs.experimentIds, ["shop-dev/webSlow", "shop-dev/calls"]);
  });

  it("has every resource below its component, and no secret in its state", async () => {
    const { deployment } = await project.exportState();
    const resources = deployment.resources ?? [];
    const loose = resources.filter(
      ({ urn, type }) => type.startsWith("aws:") && !urn.includes("shadownet:index:AwsShadowEnvironment$"),
    );
    assert.deepEqual(
      loose.map(({ urn }) => urn),
      [],
    );
    assert.ok(!/AKIA[A-Z0-9]{16}|BEGIN [A-Z ]*PRIVATE KEY/.test(JSON.stringify(deployment)));
  });

  it("waits for the network as a whole, and with each resource only for what it names", async () => {
    const resources = (await project.exportState()).deployment.resources ?? [];
    const dependencies = (name: string): string[] => {
      const found = resources.find(({ urn }) => urn.endsWith(`::${name}`));
      assert.ok(found, name);
      return (found.dependencies ?? []).map((urn) => urn.split("::").at(-1)!).sort();
    };
    for (const part of ["mirror", "experiment-webSlow", "monitor"])
      assert.ok(dependencies(`shop-${part}`).includes("shop-network-machine-app-1"), part);
    assert.deepEqual(dependencies("shop-experiment-webSlow-role"), ["shop-network-boundary"]);
    assert.deepEqual(dependencies("shop-mirror-guard-web-1"), []);
    const session = ["shop-mirror-filter", "shop-mirror-target-euc1-az2"];
    assert.deepEqual(dependencies("shop-mirror-session-web-1/eth0"), session);
  });

  it("makes experiments after the mirror's alarms and the dashboard that they refer to, and the rule on them last", async () => {
    const { deployment } = await project.exportState();
    const resources = deployment.resources ?? [];
    const named = (name: string) => {
      const found = resources.find(({ urn }) => urn.endsWith(`::${name}`));
      assert.ok(found !== undefined, name);
      return found;
    };
    const comesAfter = (later: string, property: string, earlier: string): void => {
      const sources = named(later).propertyDependencies?.[property] ?? [];
      assert.ok(sources.includes(named(earlier).urn), `${property} of ${later} comes of ${earlier}`);
    };
    const template = "shop-experiment-webSlow-template";
    comesAfter(template, "stopConditions", "shop-mirror-guard-web-1");
    comesAfter(template, "experimentReportConfiguration", "shop-monitor-dashboard");
    comesAfter("shop-experiment-webSlow-role-permissions", "policy", "shop-monitor-dashboard");
    comesAfter("shop-monitor-events-rule", "eventPattern", template);
  });

  it("finds nothing to do when nothing has changed, also after a refresh", async () => {
    assert.deepEqual(changes(done(await project.up(...packs))), []);
    done(await project.refresh());
    assert.deepEqual(changes(done(await project.up(...packs))), []);
  });

  it("changes the share in place, and replaces and disturbs nothing", async () => {
    await write({ mirror: { percent: 25, seed: 7 } });
    const result = done(await project.up(...packs));
    const changed = changes(result);
    assert.ok(changed.length > 0);
    assert.equal(result.counts.replace + result.counts.create + result.counts.delete, 0, changed.join("\n"));
    for (const line of changed.filter((one) => !one.startsWith("update shadownet:")))
      assert.match(line, /^update aws:(ssm\/parameter|s3\/bucketObject|cloudwatch)/, changed.join("\n"));
  });

  it("adds a machine by scaling and leaves the others alone", async () => {
    await write({ mirror: { percent: 25, seed: 7 }, scale: [{ machines: "app-*", replicas: 2 }] });
    const result = done(await project.up(...packs));
    assert.equal(result.counts.replace + result.counts.delete, 0, changes(result).join("\n"));
    const machines = changes(result).filter((line) => line.includes("aws:ec2/instance:Instance"));
    assert.equal(machines.length, 1, machines.join("\n"));
    assert.match(machines[0]!, /^create .*app-2/);
  });

  it("finds nothing in its state by `pulumi policy analyze`", async () => {
    const state = join(project.folder, "..", "state.json");
    await writeFile(state, JSON.stringify(await project.exportState()));
    const analyzed = await project.pulumi(["policy", "analyze", ...packs, "--file", state]);
    assert.equal(analyzed.code, 0, analyzed.stdout + analyzed.stderr);
  });

  it("is destroyed to the last resource", async () => {
    done(await project.destroy());
    assert.deepEqual((await project.exportState()).deployment.resources ?? [], []);
  });
});
