import assert from "node:assert/strict";

import * as pulumi from "@pulumi/pulumi";

import { AwsMonitor, type AwsMonitorArgs } from "../../components/aws/monitor";
import { shadowOf } from "../support/awsShadow";
import { smallAws } from "../support/awsTopologies";
import { type RecordedResource, recordResources } from "../support/awsMocks";

const shadow = shadowOf(smallAws);
const topic = "arn:aws:sns:eu-central-1:222233334444:oncall";
const full: Partial<AwsMonitorArgs> = {
  alarms: [
    { name: "errors", signal: "app.errors", above: 0.1 },
    {
      name: "slower than live",
      signal: "app.latency.p95",
      side: "gap",
      above: 0.5,
      forSeconds: 120,
      severity: "critical",
    },
    { name: "cpu", signal: "machine.cpu", target: "web-*", side: "gap", above: 0.3, forSeconds: 120 },
  ],
  notify: ["mailto:oncall@example.com", "https://alerts.example/hook", topic],
  experimentTemplateIds: ["EXT1", "EXT2"],
};

function register(args: Partial<AwsMonitorArgs>): Promise<RecordedResource[]> {
  return recordResources(() => new AwsMonitor("watch", { shadow, topology: smallAws, ...args }));
}

const ofType = (resources: readonly RecordedResource[], type: string) => resources.filter((one) => one.type === type);
const called = (resources: readonly RecordedResource[], name: string) =>
  resources.find((one) => one.name === name)!.inputs;

describe("AwsMonitor, registered with the recording stand-in of the engine", function () {
  this.timeout(60_000);

  it("has these children; a renamed one would be replaced at every user's", async () => {
    const names = (await register(full)).map(({ type, name }) => `${type} ${name}`);
    assert.deepEqual(names.sort(), [
      "aws:cloudwatch/compositeAlarm:CompositeAlarm watch-component-service",
      "aws:cloudwatch/compositeAlarm:CompositeAlarm watch-component-web-1",
      "aws:cloudwatch/compositeAlarm:CompositeAlarm watch-component-web-2",
      "aws:cloudwatch/dashboard:Dashboard watch-dashboard",
      "aws:cloudwatch/eventRule:EventRule watch-events-rule",
      "aws:cloudwatch/eventTarget:EventTarget watch-events-target",
      "aws:cloudwatch/logGroup:LogGroup watch-events",
      "aws:cloudwatch/logMetricFilter:LogMetricFilter watch-escape-gateway",
      "aws:cloudwatch/logMetricFilter:LogMetricFilter watch-escape-internet",
      "aws:cloudwatch/logMetricFilter:LogMetricFilter watch-escape-path",
      "aws:cloudwatch/logMetricFilter:LogMetricFilter watch-events-begun",
      "aws:cloudwatch/logMetricFilter:LogMetricFilter watch-events-ended",
      "aws:cloudwatch/logResourcePolicy:LogResourcePolicy watch-events-policy",
      "aws:cloudwatch/metricAlarm:MetricAlarm watch-alarm-cpu-web-1",
      "aws:cloudwatch/metricAlarm:MetricAlarm watch-alarm-cpu-web-2",
      "aws:cloudwatch/metricAlarm:MetricAlarm watch-alarm-errors",
      "aws:cloudwatch/metricAlarm:MetricAlarm watch-alarm-isolation",
      "aws:cloudwatch/metricAlarm:MetricAlarm watch-alarm-slower-than-live",
      "aws:sns/topic:Topic watch-topic",
      "aws:sns/topicSubscription:TopicSubscription watch-receiver-0bc3ad12",
      "aws:sns/topicSubscription:TopicSubscription watch-receiver-d21dba11",
      "shadownet:index:AwsMonitor watch",
    ]);
  });

  it("watches the flow log alone when nothing is asked, and makes no topic", async () => {
    const names = (await register({ dashboard: false })).map(({ name }) => name).sort();
    assert.deepEqual(names, [
      "watch",
      "watch-alarm-isolation",
      "watch-escape-gateway",
      "watch-escape-internet",
      "watch-escape-path",
    ]);
  });

  it("fires when a packet left, and is not OK when the flow log says nothing", async () => {
    const resources = await register(full);
    const filters = ofType(resources, "aws:cloudwatch/logMetricFilter:LogMetricFilter").filter(({ name }) =>
      name.includes("escape"),
    );
    for (const { inputs } of filters) {
      assert.equal(inputs.logGroupName, shadow.flowLogGroupName);
      assert.deepEqual(inputs.metricTransformation, {
        namespace: "Shadownet/shop-shadow",
        name: "Escapes",
        value: "1",
        defaultValue: "0",
      });
    }
    const gateway = String(called(resources, "watch-escape-gateway").pattern);
    for (const { gatewaySubnetId } of shadow.zones) assert.ok(gateway.includes(`subnet=${gatewaySubnetId}`));
    assert.ok(gateway.includes("destination!=%^10\\.20\\.|^100\\.64\\.[0-9]\\.|^100\\.64\\.1[0-5]\\.%"), gateway);
    const alarm = called(resources, "watch-alarm-isolation");
    assert.deepEqual(
      [alarm.namespace, alarm.metricName, alarm.statistic, alarm.threshold, alarm.treatMissingData],
      ["Shadownet/shop-shadow", "Escapes", "Sum", 0, "missing"],
    );
    assert.deepEqual(alarm.alarmActions, [topic, "arn:aws:sns:eu-central-1:222233334444:watch-topic"]);
  });

  it("compares with live in production's account", async () => {
    const resources = await register({ ...full, mirrorPercent: 10, productionAccountId: "111122223333" });
    const { metricQueries } = called(resources, "watch-alarm-cpu-web-1") as {
      metricQueries: Record<string, unknown>[];
    };
    assert.deepEqual(
      metricQueries.map(({ id, accountId, returnData, expression }) => [id, accountId, returnData, expression]),
      [
        ["m1", undefined, false, undefined],
        ["m2", "111122223333", false, undefined],
        ["result", undefined, true, "(m1-0.1*m2)/(0.1*m2)"],
      ],
    );
    const dimensions = metricQueries.map(({ metric }) => (metric as { dimensions: object } | undefined)?.dimensions);
    assert.deepEqual(dimensions, [
      { InstanceId: shadow.machineIds["web-1"] },
      { InstanceId: smallAws.machines[0]!.aws!.id },
      undefined,
    ]);
  });

  it("gives every alarm a fixed name and no OK without data", async () => {
    const alarms = ofType(await register(full), "aws:cloudwatch/metricAlarm:MetricAlarm");
    assert.deepEqual(
      alarms.map(({ inputs }) => inputs.name),
      [
        "shop-shadow-watch-errors",
        "shop-shadow-watch-slower-than-live",
        "shop-shadow-watch-cpu-web-1",
        "shop-shadow-watch-cpu-web-2",
        "shop-shadow-watch-isolation",
      ],
    );
    for (const { inputs } of alarms) assert.equal(inputs.treatMissingData, "missing");
  });

  it("tells mail and web addresses by one topic and given topics themselves, once a component", async () => {
    const resources = await register(full);
    const receivers = ofType(resources, "aws:sns/topicSubscription:TopicSubscription").map(({ inputs }) => [
      inputs.protocol,
      inputs.endpoint,
    ]);
    assert.deepEqual(receivers, [
      ["email", "oncall@example.com"],
      ["https", "https://alerts.example/hook"],
    ]);
    const web = called(resources, "watch-component-web-1");
    assert.equal(
      web.alarmRule,
      'ALARM("shop-shadow-watch-cpu-web-1") OR INSUFFICIENT_DATA("shop-shadow-watch-cpu-web-1")',
    );
    assert.deepEqual(web.alarmActions, [topic, "arn:aws:sns:eu-central-1:222233334444:watch-topic"]);
    assert.equal(called(resources, "watch-alarm-errors").alarmActions, undefined);
  });

  it("draws what runs by the events of its own experiments", async () => {
    const resources = await register(full);
    const { eventPattern } = called(resources, "watch-events-rule");
    assert.deepEqual(JSON.parse(eventPattern as string), {
      source: ["aws.fis"],
      "detail-type": ["FIS Experiment State Change"],
      detail: { "experiment-template-id": ["EXT1", "EXT2"] },
    });
    const { dashboardBody, dashboardName } = called(resources, "watch-dashboard") as {
      dashboardBody: string;
      dashboardName: string;
    };
    assert.equal(dashboardName, "shop-shadow-watch");
    assert.ok(dashboardBody.includes('["Shadownet/shop-shadow","ExperimentRunning"'));
  });

  it("refuses everything that is wrong in one error", async () => {
    const wrong: Partial<AwsMonitorArgs> = {
      alarms: [{ name: "a", signal: "machine.cpu", above: 1 }],
      mirrorPercent: 0,
      faultBands: [{ label: "x", start: "yesterday", end: "2026-01-15T10:00:00Z" }],
    };
    await assert.rejects(register(wrong), (error: unknown) => {
      assert.ok(pulumi.InputPropertiesError.isInstance(error));
      assert.deepEqual(
        error.errors.map(({ propertyPath }) => propertyPath),
        ["alarms[0].target", "mirrorPercent", "faultBands[0].start"],
      );
      return true;
    });
    await assert.rejects(register({ notify: ["ftp://x"] }), /a mail address such as .* or the ARN of an SNS topic/);
  });
});
