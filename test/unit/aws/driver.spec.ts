import assert from "node:assert/strict";

import { CloudWatchClient, GetMetricStatisticsCommand, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import {
  AttachInternetGatewayCommand,
  CreateInternetGatewayCommand,
  CreateSubnetCommand,
  CreateVpcCommand,
  EC2Client,
  RunInstancesCommand,
} from "@aws-sdk/client-ec2";
import { CreateExperimentTemplateCommand, FisClient } from "@aws-sdk/client-fis";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";

import { type AwsClients, AwsDriver } from "../../../components/aws/driver";
import { looseAims } from "../../../components/aws/driver/aims";
import { findingsIn } from "../../../components/aws/driver/containment";
import { mirrorStateFrom } from "../../../components/aws/driver/mirrorState";
import { countersIn } from "../../../components/aws/driver/proof";
import { type AwsShadowRecord, notRunHere } from "../../../components/aws/driver/recordFormat";
import { seriesOf } from "../../../components/aws/driver/sampling";
import { structureFindings } from "../../../components/aws/driver/structure";
import { verifyChecks, verifyShadow } from "../../../components/aws/driver/verify";
import { haltAlarm } from "../../../components/aws/experiment/alarms";
import { GatewayMetric, metricNamespace, shadowDimension } from "../../../components/aws/metrics";
import { faultTag, machineTag, shadowTag } from "../../../components/aws/shadow";
import { compile } from "../../../components/runtime/faults/compile";
import type { FaultPlan } from "../../../components/runtime/faults/plan";
import type { SignalPoint } from "../../../components/runtime/runner/driver";
import { smallAws } from "../../support/awsTopologies";
import { useMoto } from "../../support/moto";

const shadowName = "shop";

function recordOf(vpcId: string, machineIds: Record<string, string>): AwsShadowRecord {
  return {
    version: 1,
    topology: smallAws,
    fidelity: [],
    experiments: {},
    monitor: {},
    shadow: {
      shadowName,
      region: "eu-central-1",
      accountId: "123456789012",
      partition: "aws",
      vpcId,
      cidrs: ["10.20.0.0/16"],
      subnetIds: {},
      machineIds,
      interfaceIds: { "web-1/eth0": "eni-1" },
      volumeIds: {},
      endpointIds: {},
      autoScalingGroupArns: {},
      loadBalancerSuffixes: {},
      zones: [],
      gatewaySecurityGroupId: "sg-1",
      flowLogGroupName: "flow",
      permissionsBoundaryArn: "arn:aws:iam::123456789012:policy/shop",
      machineRoleArn: "arn:aws:iam::123456789012:role/shadownet/shop/machines",
      rolePath: "/shadownet/shop/",
      bucketName: "shop",
      kmsKeyArn: "arn:aws:kms:eu-central-1:123456789012:key/1",
    },
    parameterPath: "/shadownet/shop/mirror",
    production: { accountId: "123456789012", region: "eu-central-1" },
    percent: 10,
  };
}

describe("the AWS driver, with moto as a stand-in for AWS", function () {
  this.timeout(120_000);
  const moto = useMoto();
  let clients: AwsClients;
  let driver: AwsDriver;
  let vpcId: string;
  let instanceId: string;

  const crash = async (): Promise<FaultPlan> => {
    const target = await driver.resolve({ machine: "web-1" });
    return compile(
      { kind: "machineCrash", id: "webDown-stop", durationSeconds: 60 },
      target,
      await driver.capabilities(),
    );
  };

  beforeEach(async () => {
    await moto.reset();
    const { url: endpoint, region, credentials } = moto;
    const settings = { endpoint, region, credentials };
    clients = {
      ec2: new EC2Client(settings),
      fis: new FisClient(settings),
      ssm: new SSMClient(settings),
      cloudWatch: new CloudWatchClient(settings),
      production: new CloudWatchClient(settings),
    };
    const { Vpc: vpc } = await clients.ec2.send(new CreateVpcCommand({ CidrBlock: "10.20.0.0/16" }));
    vpcId = vpc!.VpcId!;
    const { Subnet: subnet } = await clients.ec2.send(
      new CreateSubnetCommand({ VpcId: vpcId, CidrBlock: "10.20.0.0/24" }),
    );
    const { Instances: instances = [] } = await clients.ec2.send(
      new RunInstancesCommand({
        ImageId: "ami-12c6146b",
        MinCount: 1,
        MaxCount: 1,
        SubnetId: subnet!.SubnetId,
        TagSpecifications: [
          {
            ResourceType: "instance",
            Tags: [
              { Key: shadowTag, Value: shadowName },
              { Key: machineTag, Value: "web-1" },
            ],
          },
        ],
      }),
    );
    instanceId = instances[0]!.InstanceId!;
    driver = new AwsDriver(recordOf(vpcId, { "web-1": instanceId }), clients);
    await clients.ssm.send(
      new PutParameterCommand({ Name: "/shadownet/shop/mirror/intake", Value: "closed", Type: "String" }),
    );
  });
  afterEach(() => driver.close());

  const template = (tags: Record<string, string>): Promise<unknown> =>
    clients.fis.send(
      new CreateExperimentTemplateCommand({
        clientToken: JSON.stringify(tags).slice(0, 60),
        description: "web-1 stops",
        roleArn: "arn:aws:iam::123456789012:role/shop",
        stopConditions: [{ source: "none" }],
        actions: { stop: { actionId: "aws:ec2:stop-instances", targets: { Instances: "web" } } },
        targets: {
          web: { resourceType: "aws:ec2:instance", selectionMode: "ALL", resourceTags: { [machineTag]: "web-1" } },
        },
        tags,
      }),
    );

  it("knows which machines of the shadow run", async () => {
    const { machines, backEnd, network } = await driver.describe();
    assert.equal(backEnd, "aws");
    assert.equal(network, "aws:shop");
    const running = machines.filter((machine) => machine.running).map(({ name }) => name);
    assert.deepEqual(running, ["web-1"]);
  });

  it("starts the experiment of a fault, sees it run, lists it as left over, and stops it", async () => {
    await template({ [shadowTag]: shadowName, [faultTag]: "webDown-stop" });
    const plan = await crash();
    const handle = await driver.start(plan);
    assert.match((await driver.leftovers()).join(), /webDown-stop/);
    await driver.stop(handle);
    assert.deepEqual(await driver.leftovers(), []);
    await driver.stop(handle);
  });

  it("halts what another runner has started", async () => {
    await template({ [shadowTag]: shadowName, [faultTag]: "webDown-stop" });
    await driver.start(await crash());
    const other = new AwsDriver(recordOf(vpcId, {}), clients);
    await other.halt();
    assert.deepEqual(await other.leftovers(), []);
  });

  it("trips the alarm that every experiment stops by when it halts, and stops them even where it may not", async () => {
    await driver.halt();
    const { metric } = haltAlarm().queries[0]!;
    const { Datapoints: points = [] } = await clients.cloudWatch.send(
      new GetMetricStatisticsCommand({
        Namespace: metric!.namespace,
        MetricName: metric!.metricName,
        Dimensions: metric!.dimensions.map(({ name }) => ({ Name: name, Value: shadowName })),
        StartTime: new Date(Date.now() - 300_000),
        EndTime: new Date(Date.now() + 60_000),
        Period: 60,
        Statistics: ["Maximum"],
      }),
    );
    assert.deepEqual(
      points.map(({ Maximum }) => Maximum),
      [1],
    );
    await template({ [shadowTag]: shadowName, [faultTag]: "webDown-stop" });
    await driver.start(await crash());
    const denied = new CloudWatchClient({
      ...{ endpoint: "http://127.0.0.1:1", maxAttempts: 1 },
      region: moto.region,
      credentials: moto.credentials,
    });
    const other = new AwsDriver(recordOf(vpcId, {}), { ...clients, cloudWatch: denied });
    await assert.rejects(other.halt());
    denied.destroy();
    assert.deepEqual(await driver.leftovers(), []);
  });

  it("refuses a fault that the stack does not define, and one of another shadow", async () => {
    await template({ [shadowTag]: "another", [faultTag]: "webDown-stop" });
    await assert.rejects(
      driver.start(await crash()),
      /no template for fault "webDown-stop"; AWS runs experiments that the stack defines/,
    );
  });

  it("opens the intake and returns when the gateways' metrics say so", async () => {
    const publish = (value: number): Promise<unknown> =>
      clients.cloudWatch.send(
        new PutMetricDataCommand({
          Namespace: metricNamespace,
          MetricData: [
            {
              MetricName: GatewayMetric.IntakeOpen,
              Dimensions: [{ Name: shadowDimension, Value: shadowName }],
              Timestamp: new Date(),
              Value: value,
            },
          ],
        }),
      );
    let done = false;
    const opened = driver.setIntake(true).then(() => {
      done = true;
    });
    await publish(0);
    const { Parameter: parameter } = await clients.ssm.send(
      new GetParameterCommand({ Name: "/shadownet/shop/mirror/intake" }),
    );
    assert.equal(parameter?.Value, "open");
    assert.equal(done, false);
    await moto.reset();
    await publish(1);
    await opened;
  });

  it("sees an internet gateway that somebody has attached to the shadow's VPC", async () => {
    const closed = await structureFindings(clients.ec2, vpcId);
    assert.deepEqual(
      closed.map(({ reached }) => reached),
      [false],
    );
    const { InternetGateway: gateway } = await clients.ec2.send(new CreateInternetGatewayCommand({}));
    const InternetGatewayId = gateway!.InternetGatewayId!;
    await clients.ec2.send(new AttachInternetGatewayCommand({ InternetGatewayId, VpcId: vpcId }));
    const open = await structureFindings(clients.ec2, vpcId);
    assert.deepEqual(
      open.map(({ attempt, reached }) => ({ attempt, reached })),
      [{ attempt: `internet gateway ${InternetGatewayId}`, reached: true }],
    );
  });

  it("takes a probe that gave no result for a breach", async () => {
    const findings = await driver.probeContainment();
    const probe = findings.find(({ from }) => from === "web-1");
    assert.equal(probe?.reached, true);
    assert.match(probe.detail, /no result/);
  });

  it("verifies what it can, and opens nothing while the shadow is not known to be closed", async () => {
    await template({ [shadowTag]: shadowName, [faultTag]: "webDown-stop" });
    const heard: string[] = [];
    const context = { record: recordOf(vpcId, { "web-1": instanceId }), clients, driver, openIntake: true };
    const results = await verifyShadow(context, ({ check }) => heard.push(check));
    assert.deepEqual(
      heard,
      verifyChecks.map(({ check }) => check),
    );
    const outcome = Object.fromEntries(results.map((result) => [result.check, result.outcome]));
    assert.equal(outcome.structure, "passed");
    assert.equal(outcome.containment, "failed", "moto runs no command, so the probe showed nothing");
    assert.equal(outcome.mirror, "unknown");
    assert.equal(outcome["access-analyzer"], "unknown", "moto has no analyzer");
    const { Parameter: intake } = await clients.ssm.send(
      new GetParameterCommand({ Name: "/shadownet/shop/mirror/intake" }),
    );
    assert.equal(intake?.Value, "closed");
  });

  it("refuses samples shorter than CloudWatch's", async () => {
    await assert.rejects(
      driver.startSampling(1, () => undefined),
      /a sample is at least 10 seconds long, not 1; set analysis.stepSeconds to 10/,
    );
  });

  it("reads what the gateways published, once", async () => {
    const points: SignalPoint[] = [];
    await driver.startSampling(10, (fresh) => points.push(...fresh));
    await clients.cloudWatch.send(
      new PutMetricDataCommand({
        Namespace: metricNamespace,
        MetricData: [
          {
            MetricName: GatewayMetric.ReplayCoverage,
            Dimensions: [{ Name: shadowDimension, Value: shadowName }],
            Timestamp: new Date(),
            Value: 0.75,
          },
        ],
      }),
    );
    await driver.stopSampling();
    const coverage = points.filter(({ signal }) => signal === "replay.coverage");
    assert.deepEqual(
      coverage.map(({ side, target, value }) => ({ side, target, value })),
      [{ side: "shadow", target: "service", value: 0.75 }],
    );
  });
});

describe("the AWS driver's readings", () => {
  it("say why an experiment with faults of FIS's own is not run from here", () => {
    assert.deepEqual(notRunHere({}), {});
    const { calls } = notRunHere({ onlyFis: { calls: ["throttled", "noStart"] } });
    assert.match(
      calls!,
      /^experiment "calls" has faults that FIS alone carries out \(throttled, noStart\); start its template/,
    );
  });

  it("tell what a template aims at from what is the shadow's", () => {
    const arn = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:1:autoScalingGroupName/web";
    const { shadow: plain } = recordOf("vpc-1", {});
    const shadow = { ...plain, autoScalingGroupArns: { web: arn } };
    const tags = { [shadowTag]: shadowName };
    const vpc = [{ path: "VpcId", values: ["vpc-1"] }];
    const role = (path: string): string => `arn:aws:iam::123456789012:role${path}`;
    const closed = {
      // Several machines are chosen by their addresses, and have no tag with a name.
      web: { resourceType: "aws:ec2:instance", resourceTags: tags, filters: vpc },
      disk: { resourceType: "aws:ec2:ebs-volume", resourceTags: { ...tags, [machineTag]: "web-1" } },
      calls: { resourceType: "aws:iam:role", resourceArns: [role("/shadownet/shop/machines")] },
      group: { resourceType: "aws:ec2:autoscaling-group", resourceArns: [arn] },
    };
    assert.deepEqual(looseAims(closed, shadow), []);
    const open = {
      web: { ...closed.web, filters: [{ path: "VpcId", values: ["vpc-2"] }] },
      disk: { ...closed.disk, resourceTags: { [machineTag]: "web-1" } },
      calls: { ...closed.calls, resourceArns: [role("/shadownet/shop/machines"), role("/orders")] },
      group: { ...closed.group, resourceArns: [arn.replace("/web", "/orders")] },
    };
    assert.deepEqual(looseAims(open, shadow), [
      "web lacks the shadow's VPC",
      `disk lacks the tag ${shadowTag}`,
      `calls names ${role("/orders")}`,
      `group names ${arn.replace("/web", "/orders")}`,
    ]);
  });

  it("count requests and coverage over what was published", () => {
    const at = (value: number, time = 1000): { time: number; value: number }[] => [{ time, value }];
    const state = mirrorStateFrom({ percent: 10 }, [at(200), at(150), at(0.8), at(1), at(0.05), at(0)], true, 2000);
    assert.deepEqual(state, {
      percent: 10,
      intakeOpen: true,
      problems: [],
      onWire: 200,
      replayed: 160,
      answered: 150,
      coverage: 0.8,
      lostByMirror: 10,
      unseen: 0,
    });
  });

  it("count what no gateway saw", () => {
    const at = (value: number): { time: number; value: number }[] => [{ time: 1000, value }];
    const answers = [at(200), at(150), at(0.64), at(1), at(0), at(50)];
    const { replayed, unseen, coverage } = mirrorStateFrom({ percent: 10 }, answers, true, 2000);
    assert.deepEqual([replayed, unseen, coverage], [160, 50, 0.8]);
  });

  it("say so when the gateways are silent", () => {
    const { problems, coverage } = mirrorStateFrom({ percent: 10 }, [[], [], [], [], []], true, 2000);
    assert.match(problems[0]!, /published nothing for 3 minutes/);
    assert.equal(coverage, 0);
  });

  it("understand what a probe prints, and what it could not try", () => {
    const text = "tcp 198.51.100.7 port 80|no\nicmp 198.51.100.7|missing\nname example.com|reached\n";
    assert.deepEqual(
      findingsIn("web-1", text).map(({ attempt, reached }) => [attempt, reached]),
      [
        ["tcp 198.51.100.7 port 80", false],
        ["icmp 198.51.100.7", false],
        ["name example.com", true],
      ],
    );
  });

  it("take the last counters that a script printed", () => {
    const lines =
      '{"event":"alive"}\n{"event":"effect","counters":{"matched":3}}\n{"event":"effect","counters":{"matched":9}}\n';
    assert.deepEqual(countersIn(lines), { matched: 9 });
    assert.deepEqual(countersIn("nothing"), {});
  });

  it("ask for the service's signals on both sides and for each machine's where it is known", () => {
    const series = seriesOf(recordOf("vpc-1", { "web-1": "i-1" }), 10);
    const of = (signal: string): string[] =>
      series.filter((one) => one.signal === signal).map(({ target, side }) => `${target} ${side}`);
    assert.deepEqual(of("app.latency.p95"), ["service live", "service shadow"]);
    assert.ok(of("machine.cpu").includes("web-1 shadow"));
    assert.ok(of("machine.cpu").includes("web-1 live"));
    assert.ok(!of("machine.cpu").includes("web-2 shadow"), "a machine without a clone has no shadow side");
  });
});
