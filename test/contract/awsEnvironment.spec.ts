import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import {
  AwsShadowEnvironment,
  type AwsShadowEnvironmentArgs,
  type AwsShadowEnvironmentOptions,
  environmentProblems,
} from "../../components/aws/environment";
import { productionRole, roleTag } from "../../components/aws/shadow";
import type { AwsShadowRecord } from "../../components/aws/driver/recordFormat";
import type { AwsFaultAction } from "../../components/aws/experiment/awsActions";
import type { IamDocument } from "../../components/aws/iam/document";
import { isWithinBoundary } from "../../components/aws/iam/network";
import { loadRules } from "../../policies/pack";
import { smallAws, threeZoneAws } from "../support/awsTopologies";
import { type RecordedResource, arnOf, asStack, productionAccountOf, recordResources } from "../support/awsMocks";
import { violations } from "../support/policyStack";

const full: AwsShadowEnvironmentArgs = {
  topology: smallAws,
  boundaries: [{ name: "shop-db", restore: true }],
  mirror: { percent: 10, seed: 7, exclude: [{ protocol: "tcp", destinationPorts: ["22"] }] },
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
  monitor: { alarms: [{ name: "errors", signal: "app.errors", above: 0.1 }], notify: ["mailto:ops@example.com"] },
};

class TestProvider extends pulumi.ProviderResource {
  constructor(name: string) {
    super("aws", name, {});
  }
}

async function record(
  args: AwsShadowEnvironmentArgs,
  opts: () => AwsShadowEnvironmentOptions = () => ({}),
): Promise<RecordedResource[]> {
  return recordResources(() => new AwsShadowEnvironment("shop", args, opts()), productionAccountOf(args.topology));
}

/** A stop condition by an alarm of the stand-in. */
const stop = (alarm: string) => ({
  source: "aws:cloudwatch:alarm",
  value: `arn:aws:cloudwatch:eu-central-1:222233334444:alarm:${alarm}`,
});

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

  it("watches the shadow when a monitor is asked for, and draws its own experiments", async () => {
    const { experiments } = full;
    const watched = await record({
      topology: smallAws,
      experiments,
      monitor: { notify: ["mailto:oncall@example.com"] },
    });
    const names = watched.filter(({ name }) => name.startsWith("shop-monitor")).map(({ name }) => name);
    const parts = ["", "-dashboard", "-alarm-isolation", "-topic", "-escape-path", "-events-rule"];
    assert.deepEqual(
      parts.filter((part) => !names.includes(`shop-monitor${part}`)),
      [],
    );
    const { eventPattern } = watched.find(({ name }) => name === "shop-monitor-events-rule")!.inputs;
    const { detail } = JSON.parse(eventPattern as string) as { detail: Record<string, string[]> };
    assert.equal(detail["experiment-template-id"]!.length, 1);
    const problems = environmentProblems({ topology: smallAws, monitor: { signals: ["app.latncy.p95"] } });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["monitor.signals[0]"],
    );
  });

  it("is the network alone when nothing else is asked for", async () => {
    const alone = await record({ topology: smallAws });
    assert.deepEqual(
      alone.filter(({ type }) => type.startsWith("shadownet:")).map(({ type, name }) => `${type} ${name}`),
      ["shadownet:index:AwsShadowEnvironment shop", "shadownet:index:AwsShadowNetwork shop-network"],
    );
  });

  it("gives production's side to production's provider, and everything else to the caller's", async () => {
    const two = await record(full, () => ({
      providers: [new TestProvider("shadow")],
      productionProvider: new TestProvider("production"),
    }));
    const sides = new Map<string, string[]>();
    for (const { type, provider } of two.filter((one) => one.type.startsWith("aws:"))) {
      const side = provider.split("::").at(-2) ?? "none";
      sides.set(side, [...(sides.get(side) ?? []), type.split(":").at(-1)!]);
    }
    assert.deepEqual([...sides.keys()].sort(), ["production", "shadow"]);
    assert.deepEqual([...new Set(sides.get("production"))].sort(), [
      "TrafficMirrorFilter",
      "TrafficMirrorFilterRule",
      "TrafficMirrorSession",
      "TrafficMirrorTarget",
      "VpcEndpoint",
    ]);
  });

  it("gives the engine the topology once, and its digest with every part, so that a change of it is seen in each", async () => {
    const noted = (resources: RecordedResource[]): Map<string, Record<string, unknown>> => {
      const parts = resources.filter(({ type, inputs }) => type.startsWith("shadownet:") && "topology" in inputs);
      return new Map(parts.map(({ name, inputs }) => [name, inputs.topology as Record<string, unknown>]));
    };
    const before = noted(all);
    assert.deepEqual(before.get("shop"), JSON.parse(JSON.stringify(smallAws)));
    const parts = [...before.keys()].filter((name) => name !== "shop");
    assert.deepEqual(parts.sort(), ["shop-experiment-appSlow", "shop-mirror", "shop-monitor", "shop-network"]);
    const after = noted(await record({ ...full, topology: { ...smallAws, name: "store" } }));
    for (const part of parts) {
      assert.deepEqual(Object.keys(before.get(part)!).sort(), ["name", "sha256"]);
      assert.notEqual(before.get(part)!.sha256, after.get(part)!.sha256, part);
    }
  });

  it("has the component as the ancestor of every child", () => {
    const tree = pulumi.runtime.getMonitor() as unknown as { getRegisteredResources: () => Map<string, unknown> };
    const urns = [...tree.getRegisteredResources().keys()].map((urn) => urn.split("::")[2]!);
    const orphans = urns.filter((types) => types.startsWith("aws:"));
    assert.deepEqual(orphans, []);
  });

  it("changes only its settings when the share changes", async () => {
    const after = await record({ ...full, mirror: { ...full.mirror, percent: 25 } });
    const known = new Map(after.map((one) => [one.name, one.inputs]));
    const changed = all
      .filter(({ type }) => type.startsWith("aws:"))
      .filter(({ name, inputs }) => JSON.stringify(known.get(name)) !== JSON.stringify(inputs));
    assert.deepEqual(changed.map(({ type }) => type).sort(), [
      "aws:s3/bucketObjectv2:BucketObjectv2",
      "aws:ssm/parameter:Parameter",
    ]);
  });

  it("passes the isolation and the fault policies", async () => {
    const folder = join(__dirname, "..", "..", "policies");
    const rules = ["isolation", "faults"].flatMap((pack) => loadRules(join(folder, pack)));
    const environment = "shadownet:index:AwsShadowEnvironment";
    const stack = asStack(all, environment).map((one) => {
      const { [roleTag]: role } = (one.props.tags ?? {}) as Record<string, string>;
      const isProduction = one.type.includes("/trafficMirror") || role === productionRole;
      return { ...one, components: [environment, ...(isProduction ? ["shadownet:index:AwsMirrorSources"] : [])] };
    });
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
      assert.equal(inputs.permissionsBoundary, arnOf("aws:iam/policy:Policy", "shop-network-boundary"), name);
      assert.equal(inputs.path, "/shadownet/shop-dev/", name);
    }
  });

  it("ends experiments by the alarms of the mirror's sources, and reports what the dashboard shows", () => {
    const [{ inputs }] = all.filter(({ name }) => name === "shop-experiment-appSlow-template") as [RecordedResource];
    assert.deepEqual(inputs.stopConditions, [
      stop("shop-experiment-appSlow-alarm-halt"),
      stop("shop-mirror-guard-web-1"),
      stop("shop-mirror-guard-web-2"),
    ]);
    const dashboardArn = "arn:aws:cloudwatch::222233334444:dashboard/shop-monitor-dashboard";
    const bucketName = all.find(({ name }) => name === "shop-mirror-bucket")!.inputs.bucket;
    assert.deepEqual(inputs.experimentReportConfiguration, {
      dataSources: { cloudwatchDashboards: [{ dashboardArn }] },
      outputs: { s3Configuration: { bucketName, prefix: "experiments/appSlow" } },
      preExperimentDuration: "PT20M",
      postExperimentDuration: "PT20M",
    });
    const { policy } = all.find(({ name }) => name === "shop-experiment-appSlow-role-permissions")!.inputs;
    const { Statement } = JSON.parse(policy as string) as IamDocument;
    const allowed = (action: string) => Statement.find(({ Action }) => Action.includes(action))?.Resource;
    assert.deepEqual(allowed("cloudwatch:GetDashboard"), [dashboardArn]);
    assert.deepEqual(allowed("s3:PutObject"), [`arn:aws:s3:::${String(bucketName)}/experiments/*`]);
  });

  it("ends them by one alarm over all where FIS takes no alarm for each source, and refuses where it takes none", async () => {
    const errors = { signal: "app.errors", above: 0.1 };
    const args = (conditions: number): AwsShadowEnvironmentArgs => {
      const appSlow = { ...full.experiments!.appSlow!, stopConditions: Array<typeof errors>(conditions).fill(errors) };
      return { ...full, experiments: { appSlow } };
    };
    const made = await record(args(3));
    const templates = made.filter(({ type }) => type.endsWith(":ExperimentTemplate"));
    assert.equal(templates.length, 2, "the whole, and the fault alone");
    for (const { inputs } of templates) {
      assert.deepEqual((inputs.stopConditions as object[]).slice(4), [stop("shop-mirror-guard")]);
    }
    const [problem, ...others] = environmentProblems(args(4));
    assert.deepEqual(others, []);
    assert.equal(problem!.path, "experiments.appSlow.stopConditions");
    assert.match(problem!.reason, /^4 conditions and 1 guard alarms; FIS takes 5 alarms/);
  });

  it("has no report without a mirror, in whose bucket it would lie, nor without a dashboard that it would show", async () => {
    for (const part of ["mirror", "monitor"] as const) {
      const { mirror, monitor, ...rest } = full;
      const made = await record({ ...rest, ...(part === "mirror" ? { monitor } : { mirror }) });
      const { inputs } = made.find(({ name }) => name === "shop-experiment-appSlow-template")!;
      assert.equal(inputs.experimentReportConfiguration, undefined, part);
      assert.equal((inputs.stopConditions as object[]).length, part === "mirror" ? 1 : 3);
      const { policy } = made.find(({ name }) => name === "shop-experiment-appSlow-role-permissions")!.inputs;
      assert.ok(!(policy as string).includes("s3:PutObject"), part);
    }
  });

  it("aims faults of AWS's API and capacity at its own role and its own groups", async () => {
    const made = await record({
      topology: threeZoneAws,
      autoScalingGroups: ["web"],
      experiments: {
        refused: {
          actions: {},
          blastRadius: { percent: 100 },
          awsActions: {
            throttled: { fault: "apiThrottling", operations: ["DescribeInstances"], durationSeconds: 60 },
            noRefill: { fault: "groupNoCapacity", autoScalingGroup: "*", durationSeconds: 60 },
          },
        },
      },
    });
    const [{ inputs }] = made.filter(({ type }) => type.endsWith(":ExperimentTemplate")) as [RecordedResource];
    const targets = inputs.targets as { resourceType: string; resourceArns: string[] }[];
    assert.deepEqual(
      targets.map(({ resourceType, resourceArns }) => [resourceType, resourceArns]),
      [
        ["aws:iam:role", ["arn:aws:iam::222233334444:role/shadownet/shop-dev/shop-network-machines-role"]],
        ["aws:ec2:autoscaling-group", ["arn:aws:autoscaling:eu-central-1:222233334444:group/shop-network-scaling-web"]],
      ],
    );
  });

  it("tells runners of the experiments that they carry out whole, and of the others why not", async () => {
    const { appSlow } = full.experiments!;
    const throttled: AwsFaultAction = {
      fault: "apiThrottling",
      operations: ["DescribeInstances"],
      durationSeconds: 60,
    };
    const made = await record({
      ...full,
      experiments: {
        appSlow: appSlow!,
        both: { ...appSlow!, awsActions: { throttled }, blastRadius: { percent: 100 } },
      },
    });
    const { content } = made.find(({ name }) => name === "shop-record")!.inputs;
    const { experiments, onlyFis } = JSON.parse(content as string) as AwsShadowRecord;
    assert.deepEqual([Object.keys(experiments), onlyFis], [["appSlow"], { both: ["throttled"] }]);
  });

  it("holds no secret", () => {
    const text = JSON.stringify(all.filter(({ type }) => type.startsWith("aws:")).map(({ inputs }) => inputs));
    assert.ok(!/"(password|masterPassword|secretString|keyName|privateKey)"/i.test(text));
  });

  it("says what it costs by quantities, and how all parts differ from production", async () => {
    let cost: string[] = [];
    let subjects: string[] = [];
    await recordResources(() => {
      const made = new AwsShadowEnvironment("shop", full);
      made.cost.apply((lines) => (cost = lines));
      made.fidelity.apply((items) => (subjects = items.map(({ subject }) => subject)));
    }, productionAccountOf(smallAws));
    assert.ok(
      cost.some((line) => /^mirror: 2 sessions by the hour; 2 endpoints in production/.test(line)),
      cost.join("\n"),
    );
    assert.ok(cost.some((line) => /^gateways: 2 × c6i\.large/.test(line)));
    assert.ok(cost.some((line) => /^experiment appSlow: at most \d+ action-minutes a run/.test(line)));
    assert.ok(cost.some((line) => /^monitor: .* asked for \(1\) .* notifications to 1 × mail$/.test(line)));
    assert.ok(subjects.includes("machines/web-1/disks") && subjects.some((subject) => subject.startsWith("mirror")));
  });
});

describe("what an environment on AWS refuses", () => {
  it("is named all at once, whichever part it is about", () => {
    const problems = environmentProblems({
      topology: threeZoneAws,
      state: [{ machines: "*", memory: true }],
      mirror: { percent: 101 },
      experiments: {
        x: { actions: { cut: { fault: "linkDown", target: { machine: "wbe-a-1" }, durationSeconds: 60 } } },
      },
      monitor: { signals: ["app.latncy.p95"] },
    });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["state[0].memory", "mirror.percent", "experiments.x.actions.cut.target.machine", "monitor.signals[0]"],
    );
  });

  it("is a group of machines that the mirror copies from, because nothing would be replayed to its instances", () => {
    const problems = (mirror: AwsShadowEnvironmentArgs["mirror"]) =>
      environmentProblems({
        topology: threeZoneAws,
        autoScalingGroups: ["web"],
        ...(mirror === undefined ? {} : { mirror }),
      });
    const [problem, ...others] = problems({ percent: 10 });
    assert.deepEqual(others, []);
    assert.equal(problem!.path, "autoScalingGroups[0]");
    assert.match(
      problem!.reason,
      /the traffic of "web-a-1" and 23 more in Auto Scaling group "web" is copied.*leave the group out/,
    );
    assert.deepEqual(problems(undefined), []);
    assert.deepEqual(problems({ sources: ["app-*"] }), []);
  });

  it("is a fault on a group that production has and the shadow has not, since its machines are single ones", () => {
    const args: AwsShadowEnvironmentArgs = {
      topology: threeZoneAws,
      experiments: {
        x: {
          actions: {},
          blastRadius: { percent: 100 },
          awsActions: { noRefill: { fault: "groupNoCapacity", autoScalingGroup: "web", durationSeconds: 60 } },
        },
      },
    };
    const [problem, ...others] = environmentProblems(args);
    assert.deepEqual(others, []);
    assert.equal(problem!.path, "experiments.x.awsActions.noRefill.autoScalingGroup");
    assert.match(problem!.reason, /autoScalingGroups of the network/);
    assert.deepEqual(environmentProblems({ ...args, autoScalingGroups: ["web"] }), []);
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
