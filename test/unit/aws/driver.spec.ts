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
import { structureFindings } from "../../../components/aws/driver/structure";
import { verifyChecks, verifyShadow } from "../../../components/aws/driver/verify";
import { haltAlarm } from "../../../components/aws/experiment/alarms";
import { GatewayMetric, metricNamespace, shadowDimension } from "../../../components/aws/metrics";
import { faultTag, machineTag, shadowTag } from "../../../components/aws/shadow";
import { compile } from "../../../components/runtime/faults/compile";
import type { FaultPlan } from "../../../components/runtime/faults/plan";
import type { SignalPoint } from "../../../components/runtime/runner/driver";
import { recordOf, shadowName } from "../../support/awsShadowRecord";
import { useMoto } from "../../support/moto";

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
