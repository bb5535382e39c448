import assert from "node:assert/strict";
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import type { IamDocument } from "../../components/aws/iam/document";
import { AwsFaultExperiment, type AwsFaultExperimentArgs } from "../../components/aws/experiment";
import { scalingGroupArn, shadowOf } from "../support/awsShadow";
import { smallAws, threeZoneAws } from "../support/awsTopologies";
import { iamProblems } from "../support/iamParser";
import { type RecordedResource, recordResources } from "../support/awsMocks";
import { statesProblems } from "../support/statesLanguage";

const shadow = shadowOf(smallAws);

function register(args: Partial<AwsFaultExperimentArgs>): Promise<RecordedResource[]> {
  const whole = { shadow, topology: smallAws, actions: {}, blastRadius: { percent: 100 }, ...args };
  return recordResources(() => new AwsFaultExperiment("slow-db", whole));
}

const ofType = (resources: readonly RecordedResource[], type: string) => resources.filter((one) => one.type === type);
const only = (resources: readonly RecordedResource[], type: string) => {
  const found = ofType(resources, type);
  assert.equal(found.length, 1, type);
  return found[0]!.inputs;
};

const slow: Partial<AwsFaultExperimentArgs> = {
  title: "The database answers slowly",
  actions: {
    slow: { fault: "latency", delayMilliseconds: 200, target: { machine: "app-1" }, durationSeconds: 120 },
    crash: { fault: "machineCrash", target: { machine: "web-*" }, durationSeconds: 60, startAfter: ["slow"] },
  },
  stopConditions: [{ signal: "app.errors", above: 0.2, forSeconds: 30 }],
  tags: { team: "payments" },
};

const examples: Record<string, Partial<AwsFaultExperimentArgs>> = {
  slow,
  zoneLost: {
    actions: {
      zone: { fault: "linkDown", target: { link: "private-a" }, durationSeconds: 300 },
      disks: { fault: "machineHang", target: { machine: "web-1" }, durationSeconds: 300 },
    },
    hypothesis: { probes: [{ name: "fast", signal: "app.latency.p95", tolerance: { maximum: 400 } }] },
  },
  crashTrain: {
    actions: {
      crash: {
        fault: "machineCrash",
        target: { machine: "web-1" },
        pulse: { activeSeconds: 60, dormantSeconds: 120, repeat: 12 },
      },
    },
    awsActions: { noStore: { fault: "endpointDown", endpoint: "s3", durationSeconds: 60, startAfter: ["crash"] } },
    blastRadius: { percent: 100, durationSeconds: 3600 },
  },
  awsRefuses: {
    shadow: shadowOf(threeZoneAws),
    topology: threeZoneAws,
    actions: {},
    awsActions: {
      discovery: { fault: "apiThrottling", operations: ["DescribeInstances"], percent: 80, durationSeconds: 300 },
      worker: {
        fault: "apiInternalError",
        roles: ["worker"],
        operations: ["DescribeTags", "DescribeInstances"],
        durationSeconds: 120,
      },
      noRefill: { fault: "groupNoCapacity", autoScalingGroup: "web", zones: ["euc1-az1"], durationSeconds: 300 },
      noStart: { fault: "apiNoCapacity", roles: ["worker"], durationSeconds: 60, startAfter: ["noRefill"] },
    },
  },
};

describe("AwsFaultExperiment, registered with the recording stand-in of the engine", function () {
  this.timeout(60_000);

  it("has these children; a renamed one would be replaced at every user's", async () => {
    const everything = await register({ ...slow, repetitions: 3, schedule: { cron: "0 3 * * *" } });
    assert.deepEqual(everything.map(({ type, name }) => `${type} ${name}`).sort(), [
      "aws:cloudwatch/logGroup:LogGroup slow-db-log",
      "aws:cloudwatch/metricAlarm:MetricAlarm slow-db-alarm-halt",
      "aws:cloudwatch/metricAlarm:MetricAlarm slow-db-alarm-stop-1",
      "aws:fis/experimentTemplate:ExperimentTemplate slow-db-fault-crash",
      "aws:fis/experimentTemplate:ExperimentTemplate slow-db-fault-slow",
      "aws:fis/experimentTemplate:ExperimentTemplate slow-db-template",
      "aws:iam/role:Role slow-db-repeater-role",
      "aws:iam/role:Role slow-db-role",
      "aws:iam/role:Role slow-db-schedule-role",
      "aws:iam/rolePolicy:RolePolicy slow-db-repeater-role-permissions",
      "aws:iam/rolePolicy:RolePolicy slow-db-role-permissions",
      "aws:iam/rolePolicy:RolePolicy slow-db-schedule-role-permissions",
      "aws:scheduler/schedule:Schedule slow-db-schedule",
      "aws:sfn/stateMachine:StateMachine slow-db-repeater",
      "aws:ssm/document:Document slow-db-document-slow",
      "shadownet:index:AwsFaultExperiment slow-db",
    ]);
  });

  for (const [name, args] of Object.entries(examples)) {
    it(`makes the templates on record for ${name}`, async () => {
      const made = ofType(await register(args), "aws:fis/experimentTemplate:ExperimentTemplate");
      const templates = made.map(({ type, name: child, inputs }) => ({ type, name: child, inputs }));
      const actual = `${JSON.stringify(templates, null, 1)}\n`;
      const file = join(__dirname, "golden", `aws-experiment-${name}.txt`);
      if (process.env.SHADOWNET_UPDATE_GOLDEN === "1") writeFileSync(file, actual);
      assert.equal(actual, readFileSync(file, "utf8"));
    });
  }

  it("stops by the halt's alarm, its own conditions and the guards that it is given", async () => {
    const resources = await register({ ...slow, guardAlarmArns: ["arn:aws:cloudwatch:eu-central-1:1:alarm:guard"] });
    const stops = ofType(resources, "aws:fis/experimentTemplate:ExperimentTemplate").map(
      ({ inputs }) => inputs.stopConditions,
    );
    assert.equal(new Set(stops.map((conditions) => JSON.stringify(conditions))).size, 1, "single faults too");
    assert.deepEqual(stops[0], [
      {
        source: "aws:cloudwatch:alarm",
        value: "arn:aws:cloudwatch:eu-central-1:222233334444:alarm:slow-db-alarm-halt",
      },
      {
        source: "aws:cloudwatch:alarm",
        value: "arn:aws:cloudwatch:eu-central-1:222233334444:alarm:slow-db-alarm-stop-1",
      },
      { source: "aws:cloudwatch:alarm", value: "arn:aws:cloudwatch:eu-central-1:1:alarm:guard" },
    ]);
  });

  it("makes alarms with fixed names that are never OK without data", async () => {
    const alarms = ofType(await register(slow), "aws:cloudwatch/metricAlarm:MetricAlarm");
    assert.deepEqual(
      alarms.map(({ inputs }) => inputs.name),
      ["shop-shadow-slow-db-halt", "shop-shadow-slow-db-stop-1"],
    );
    for (const { inputs } of alarms) assert.equal(inputs.treatMissingData, "missing");
    const { metricQueries, threshold, evaluationPeriods, comparisonOperator } = alarms[1]!.inputs;
    assert.deepEqual([threshold, evaluationPeriods, comparisonOperator], [0.2, 3, "GreaterThanThreshold"]);
    assert.deepEqual(metricQueries, [
      {
        id: "result",
        label: "app.errors shadow",
        returnData: true,
        metric: {
          namespace: "Shadownet",
          metricName: "ShadowErrors",
          period: 10,
          stat: "Average",
          dimensions: { Shadow: "shop-shadow" },
        },
      },
    ]);
  });

  it("tags everything with the shadow, its role and the experiment's name", async () => {
    const tagged = (await register({ ...slow, experimentName: "dbSlow", repetitions: 2 })).filter(
      ({ inputs }) => inputs.tags !== undefined && inputs.shadow === undefined,
    );
    assert.equal(tagged.length, 10);
    for (const { inputs } of tagged) {
      const own = ["shadownet:fault", "shadownet:action"];
      const common = Object.entries(inputs.tags as object).filter(([key]) => !own.includes(key));
      assert.deepEqual(Object.fromEntries(common), {
        team: "payments",
        "shadownet:shadow": "shop-shadow",
        "shadownet:role": "experiment",
        "shadownet:experiment": "dbSlow",
      });
    }
  });

  it("gives its roles the shadow's path and boundary, one service's trust, and what they need", async () => {
    const resources = await register({
      ...slow,
      repetitions: 2,
      schedule: { rate: "1 day" },
      reportDashboardArn: "arn:aws:cloudwatch::222233334444:dashboard/shop",
    });
    const roles = ofType(resources, "aws:iam/role:Role");
    const services = roles.map(({ inputs }) => {
      assert.equal(inputs.path, "/shadownet/shop-shadow/");
      assert.equal(inputs.permissionsBoundary, shadow.permissionsBoundaryArn);
      const trust = JSON.parse(inputs.assumeRolePolicy as string) as {
        Statement: { Principal: { Service: string } }[];
      };
      assert.deepEqual(iamProblems(trust), []);
      return trust.Statement[0]!.Principal.Service;
    });
    assert.deepEqual(services.sort(), ["fis.amazonaws.com", "scheduler.amazonaws.com", "states.amazonaws.com"]);
    for (const { inputs } of ofType(resources, "aws:iam/rolePolicy:RolePolicy")) {
      assert.deepEqual(iamProblems(JSON.parse(inputs.policy as string)), []);
    }
  });

  it("lets its role make AWS refuse what its actions name, to roles and groups of the shadow alone", async () => {
    const { policy } = only(await register(examples.awsRefuses!), "aws:iam/rolePolicy:RolePolicy");
    const { Statement } = JSON.parse(policy as string) as IamDocument;
    assert.deepEqual(iamProblems({ Version: "2012-10-17", Statement }), []);
    const worker = "arn:aws:iam::222233334444:role/shadownet/shop-shadow/worker";
    const conditions = Statement.flatMap(({ Action, Condition = {} }) => {
      const { "fis:Targets": roles, "fis:Operations": calls } = Condition["ForAllValues:StringEquals"] ?? {};
      const { "ec2:FisTargetArns": refused } = Condition["ForAllValues:ArnEquals"] ?? {};
      return roles === undefined && refused === undefined ? [] : [[Action[0], roles ?? refused, calls ?? []]];
    });
    assert.deepEqual(conditions, [
      ["ec2:InjectApiError", [worker], []],
      ["ec2:InjectApiError", [scalingGroupArn("shop-shadow", "web")], []],
      ["fis:InjectApiInternalError", [worker], ["DescribeInstances", "DescribeTags"]],
      ["fis:InjectApiThrottleError", [shadow.machineRoleArn], ["DescribeInstances"]],
    ]);
  });

  it("starts the template itself by the clock, or the state machine that repeats it", async () => {
    const scheduleOf = (resources: RecordedResource[]) => only(resources, "aws:scheduler/schedule:Schedule");
    const once = await register({
      ...slow,
      schedule: { cron: "30 2 * * 1-5", timeZone: "Europe/Berlin", jitterSeconds: 600 },
    });
    const { target, ...rest } = scheduleOf(once) as { target: Record<string, unknown> };
    assert.deepEqual(rest, {
      scheduleExpression: "cron(30 2 ? * 2,3,4,5,6 *)",
      scheduleExpressionTimezone: "Europe/Berlin",
      flexibleTimeWindow: { mode: "FLEXIBLE", maximumWindowInMinutes: 10 },
    });
    assert.equal(target.arn, "arn:aws:scheduler:::aws-sdk:fis:startExperiment");
    assert.deepEqual(JSON.parse(target.input as string), {
      ClientToken: "<aws.scheduler.execution-id>",
      ExperimentTemplateId: "slow-db-template-id",
    });
    const repeated = await register({ ...slow, repetitions: 5, schedule: { rate: "1 day" } });
    const machine = "arn:aws:states:eu-central-1:222233334444:stateMachine:slow-db-repeater";
    assert.equal((scheduleOf(repeated).target as Record<string, unknown>).arn, machine);
    const { definition } = only(repeated, "aws:sfn/stateMachine:StateMachine");
    assert.deepEqual(statesProblems(definition as string), []);
    assert.match(definition as string, /"ExperimentTemplateId":"slow-db-template-id"/);
    assert.match(definition as string, /"AlarmNames":\["shop-shadow-slow-db-stop-1"\]/);
  });

  it("says where it is found and what is done otherwise than in the lab", async () => {
    let outputs: unknown;
    await recordResources(() => {
      const made = new AwsFaultExperiment("slow-db", {
        shadow,
        topology: smallAws,
        ...examples.crashTrain!,
        actions: examples.crashTrain!.actions!,
      });
      pulumi
        .all([made.experimentId, made.templateIds, made.documentNames, made.stateMachineArn, made.notes])
        .apply((values) => (outputs = values));
    });
    const [experimentId, templateIds, documentNames, stateMachineArn, notes] = outputs as [
      string,
      string[],
      string[],
      string,
      string[],
    ];
    assert.equal(experimentId, "shop-shadow/slow-db");
    assert.deepEqual(templateIds, ["slow-db-template-1-id", "slow-db-template-2-id"]);
    assert.deepEqual(documentNames, []);
    assert.match(stateMachineArn, /slow-db-repeater$/);
    assert.deepEqual(notes, [
      "machineCrash: EC2 asks the system to shut down and pulls the plug only when it does not",
    ]);
  });

  it("refuses everything that is wrong in one error", async () => {
    const wrong = {
      actions: {
        cut: { fault: "linkDown", target: { link: "privat-a" }, durationSeconds: 60 },
        turn: { change: { machine: "web-1", cpus: 1 } },
      },
      stopConditions: [{ signal: "app.eror", above: 1 }],
      repetitions: 0,
    } satisfies Partial<AwsFaultExperimentArgs>;
    await assert.rejects(register(wrong), (error: unknown) => {
      assert.ok(pulumi.InputPropertiesError.isInstance(error));
      assert.deepEqual(
        error.errors.map(({ propertyPath }) => propertyPath),
        ["actions.cut.target.link", "stopConditions[0].signal", "repetitions"],
      );
      return true;
    });
  });
});
