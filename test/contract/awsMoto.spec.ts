import assert from "node:assert/strict";
import { randomUUID } from "node:crypto";

import {
  CloudWatchClient,
  DescribeAlarmsCommand,
  GetDashboardCommand,
  PutDashboardCommand,
  PutMetricAlarmCommand,
} from "@aws-sdk/client-cloudwatch";
import {
  CloudWatchLogsClient,
  CreateLogGroupCommand,
  DescribeMetricFiltersCommand,
  PutMetricFilterCommand,
} from "@aws-sdk/client-cloudwatch-logs";
import { CreateExperimentTemplateCommand, FisClient, GetExperimentTemplateCommand } from "@aws-sdk/client-fis";
import { CreateRoleCommand, IAMClient, PutRolePolicyCommand } from "@aws-sdk/client-iam";
import { CreateScheduleCommand, GetScheduleCommand, SchedulerClient } from "@aws-sdk/client-scheduler";
import { CreateDocumentCommand, GetDocumentCommand, SSMClient } from "@aws-sdk/client-ssm";
import type * as aws from "@pulumi/aws";

import { AwsFaultExperiment } from "../../components/aws/experiment";
import { AwsMonitor } from "../../components/aws/monitor";
import { shadowOf } from "../support/awsShadow";
import { smallAws } from "../support/awsTopologies";
import { useMoto } from "../support/moto";
import { type RecordedResource, recordResources } from "../support/awsMocks";

type Plain<T> = { [K in keyof T]-?: Exclude<Awaited<T[K]>, undefined> };
const shadow = shadowOf(smallAws);

/** What the components would create for an experiment of every kind and a monitor, recorded. */
function everything(): Promise<RecordedResource[]> {
  return recordResources(() => {
    new AwsFaultExperiment("drill", {
      shadow,
      topology: smallAws,
      actions: {
        slow: { fault: "latency", delayMilliseconds: 200, target: { machine: "app-1" }, durationSeconds: 120 },
        down: { fault: "linkDown", target: { link: "private-b" }, durationSeconds: 60, startAfter: ["slow"] },
        crash: { fault: "machineCrash", target: { machine: "web-1" }, durationSeconds: 60, startAfter: ["down"] },
        hang: { fault: "machineHang", target: { machine: "web-2" }, durationSeconds: 60, startAfter: ["crash"] },
      },
      awsActions: {
        noStore: { fault: "endpointDown", endpoint: "s3", durationSeconds: 60, startAfter: ["hang"] },
        throttled: { fault: "apiThrottling", operations: ["DescribeInstances"], durationSeconds: 60 },
        noStart: { fault: "apiNoCapacity", roles: ["worker"], durationSeconds: 60, startAfter: ["throttled"] },
      },
      blastRadius: { percent: 100 },
      stopConditions: [{ signal: "app.errors", above: 0.2 }],
      hypothesis: {
        probes: [{ name: "cpu", signal: "machine.cpu", target: "web-*", tolerance: { minimum: 1, maximum: 90 } }],
      },
      schedule: { cron: "30 2 * * 1-5", timeZone: "Europe/Berlin", jitterSeconds: 600 },
      repetitions: 4,
    });
    new AwsMonitor("watch", {
      shadow,
      topology: smallAws,
      alarms: [{ name: "cpu", signal: "machine.cpu", target: "web-*", side: "gap", above: 0.3, forSeconds: 120 }],
      experimentTemplateIds: ["EXT1"],
    });
  });
}

describe("what AWS components would create, sent to moto's API", function () {
  this.timeout(120_000);
  const moto = useMoto();
  let resources: RecordedResource[];
  const clients: { destroy(): void }[] = [];

  before(async () => {
    resources = await everything();
  });
  afterEach(() => {
    for (const client of clients.splice(0)) client.destroy();
  });

  function client<T extends { destroy(): void }>(make: new (settings: object) => T): T {
    const made = new make({ endpoint: moto.url, region: moto.region, credentials: moto.credentials });
    clients.push(made);
    return made;
  }

  const inputsOf = (type: string): Record<string, unknown>[] => {
    const found = resources.filter((one) => one.type === type).map(({ inputs }) => inputs);
    assert.ok(found.length > 0, type);
    return found;
  };

  it("takes the FIS template and gives it back", async () => {
    const fis = client(FisClient);
    for (const inputs of inputsOf("aws:fis/experimentTemplate:ExperimentTemplate")) {
      const { experimentTemplate } = await fis.send(new CreateExperimentTemplateCommand(fisRequest(inputs)));
      const found = await fis.send(new GetExperimentTemplateCommand({ id: experimentTemplate!.id! }));
      const given = inputs as unknown as Plain<aws.fis.ExperimentTemplateArgs>;
      const names = (given.actions as { name: string }[]).map(({ name }) => name);
      assert.deepEqual(Object.keys(found.experimentTemplate!.actions!), names);
      assert.equal(found.experimentTemplate!.stopConditions!.length, 2);
    }
  });

  it("takes the SSM document and gives it back, letter by letter", async () => {
    const ssm = client(SSMClient);
    for (const { content, documentFormat, documentType, targetType } of inputsOf("aws:ssm/document:Document")) {
      const request = { Name: "shop-shadow-drill-slow", Content: content as string, TargetType: targetType as string };
      const form = { DocumentFormat: documentFormat as "JSON", DocumentType: documentType as "Command" };
      await ssm.send(new CreateDocumentCommand({ ...request, ...form }));
      const { Content } = await ssm.send(new GetDocumentCommand({ Name: request.Name }));
      assert.deepEqual(JSON.parse(Content!), JSON.parse(content as string));
    }
  });

  it("takes the alarms and the dashboard; of composite alarms moto knows nothing", async () => {
    const cloudwatch = client(CloudWatchClient);
    const alarms = inputsOf("aws:cloudwatch/metricAlarm:MetricAlarm");
    for (const inputs of alarms) await cloudwatch.send(new PutMetricAlarmCommand(alarmRequest(inputs)));
    const found = await cloudwatch.send(new DescribeAlarmsCommand({ AlarmTypes: ["MetricAlarm"] }));
    assert.equal(found.MetricAlarms!.length, alarms.length);
    assert.deepEqual([...new Set(found.MetricAlarms!.map(({ TreatMissingData }) => TreatMissingData))], ["missing"]);
    const [dashboard] = inputsOf("aws:cloudwatch/dashboard:Dashboard") as {
      dashboardName: string;
      dashboardBody: string;
    }[];
    const { dashboardName, dashboardBody } = dashboard!;
    await cloudwatch.send(new PutDashboardCommand({ DashboardName: dashboardName, DashboardBody: dashboardBody }));
    const { DashboardBody } = await cloudwatch.send(new GetDashboardCommand({ DashboardName: dashboardName }));
    assert.equal(DashboardBody, dashboardBody);
  });

  it("takes the filters on the flow log and on the events", async () => {
    const logs = client(CloudWatchLogsClient);
    const filters = resources.filter(({ type }) => type === "aws:cloudwatch/logMetricFilter:LogMetricFilter");
    const groups = new Set(filters.map(({ inputs }) => inputs.logGroupName as string));
    for (const logGroupName of groups) await logs.send(new CreateLogGroupCommand({ logGroupName }));
    for (const { name, inputs } of filters) {
      const { logGroupName, pattern, metricTransformation } = inputs as Record<string, string> & {
        metricTransformation: { namespace: string; name: string; value: string; defaultValue?: string };
      };
      const { namespace, name: metricName, value, defaultValue } = metricTransformation;
      const transformation = {
        metricNamespace: namespace,
        metricName,
        metricValue: value,
        defaultValue: defaultValue === undefined ? undefined : Number(defaultValue),
      };
      await logs.send(
        new PutMetricFilterCommand({
          filterName: name,
          logGroupName,
          filterPattern: pattern,
          metricTransformations: [transformation],
        }),
      );
    }
    const found = await logs.send(new DescribeMetricFiltersCommand({ logGroupName: shadow.flowLogGroupName }));
    assert.equal(found.metricFilters!.length, 3);
  });

  it("takes the roles, whose documents its own parser reads", async () => {
    const iam = client(IAMClient);
    for (const { name, inputs } of resources.filter(({ type }) => type === "aws:iam/role:Role")) {
      const { path, assumeRolePolicy } = inputs as Record<string, string>;
      await iam.send(new CreateRoleCommand({ RoleName: name, Path: path, AssumeRolePolicyDocument: assumeRolePolicy }));
      const policy = resources.find((one) => one.name === `${name}-permissions`)!.inputs.policy as string;
      await iam.send(new PutRolePolicyCommand({ RoleName: name, PolicyName: "permissions", PolicyDocument: policy }));
    }
  });

  it("takes the schedule and the state machine behind it", async () => {
    const scheduler = client(SchedulerClient);
    const [inputs] = inputsOf("aws:scheduler/schedule:Schedule") as unknown as [Plain<aws.scheduler.ScheduleArgs>];
    const target = inputs.target as { arn: string; roleArn: string };
    const window = inputs.flexibleTimeWindow as { mode: "FLEXIBLE"; maximumWindowInMinutes: number };
    await scheduler.send(
      new CreateScheduleCommand({
        Name: "drill",
        ScheduleExpression: inputs.scheduleExpression as string,
        ScheduleExpressionTimezone: inputs.scheduleExpressionTimezone as string,
        FlexibleTimeWindow: { Mode: window.mode, MaximumWindowInMinutes: window.maximumWindowInMinutes },
        Target: { Arn: target.arn, RoleArn: target.roleArn },
      }),
    );
    const found = await scheduler.send(new GetScheduleCommand({ Name: "drill" }));
    assert.equal(found.ScheduleExpression, "cron(30 2 ? * 2,3,4,5,6 *)");
    const [{ definition }] = inputsOf("aws:sfn/stateMachine:StateMachine") as [{ definition: string }];
    const roleArn = "arn:aws:iam::123456789012:role/repeater";
    const answer = await call("states", "AWSStepFunctions.CreateStateMachine", { name: "drill", definition, roleArn });
    assert.match(String(answer.stateMachineArn), /stateMachine:drill$/);
  });

  it("takes the rule for the events of experiments", async () => {
    const [{ eventPattern }] = inputsOf("aws:cloudwatch/eventRule:EventRule") as [{ eventPattern: string }];
    const answer = await call("events", "AWSEvents.PutRule", { Name: "drill", EventPattern: eventPattern });
    assert.match(String(answer.RuleArn), /rule\/drill$/);
  });

  /** Calls a JSON API for which the project has no client. */
  async function call(service: string, action: string, request: object): Promise<Record<string, unknown>> {
    const scope = `${moto.credentials.accessKeyId}/20260115/${moto.region}/${service}/aws4_request`;
    const response = await fetch(moto.url, {
      method: "POST",
      headers: {
        "content-type": "application/x-amz-json-1.0",
        "x-amz-target": action,
        authorization: `AWS4-HMAC-SHA256 Credential=${scope}, SignedHeaders=host, Signature=0`,
      },
      body: JSON.stringify(request),
    });
    const text = await response.text();
    assert.equal(response.status, 200, text);
    return JSON.parse(text) as Record<string, unknown>;
  }
});

interface Pair {
  key: string;
  value: string;
}

const record = (pairs: readonly Pair[] = []): Record<string, string> =>
  Object.fromEntries(pairs.map(({ key, value }) => [key, value]));

interface TemplateInputs {
  description: string;
  roleArn: string;
  actions: {
    name: string;
    actionId: string;
    description: string;
    parameters: Pair[];
    target?: Pair;
    startAfters?: string[];
  }[];
  targets: {
    name: string;
    resourceType: string;
    selectionMode: string;
    resourceArns?: string[];
    resourceTags?: Pair[];
    filters?: { path: string; values: string[] }[];
  }[];
  stopConditions: { source: string; value: string }[];
  experimentOptions: { accountTargeting: "single-account"; emptyTargetResolutionMode: "fail" };
  logConfiguration: { logSchemaVersion: number; cloudwatchLogsConfiguration: { logGroupArn: string } };
  tags: Record<string, string>;
}

/** The call that the provider makes of a template's inputs. */
function fisRequest(inputs: unknown): ConstructorParameters<typeof CreateExperimentTemplateCommand>[0] {
  const { actions, targets, ...rest } = inputs as TemplateInputs;
  return {
    ...rest,
    clientToken: randomUUID(),
    actions: Object.fromEntries(
      actions.map(({ name, parameters, target, startAfters, ...action }) => [
        name,
        {
          ...action,
          parameters: record(parameters),
          startAfter: startAfters,
          targets: target === undefined ? undefined : record([target]),
        },
      ]),
    ),
    targets: Object.fromEntries(
      targets.map(({ name, resourceTags, ...target }) => [
        name,
        { ...target, resourceTags: resourceTags === undefined ? undefined : record(resourceTags) },
      ]),
    ),
  };
}

interface AlarmInputs {
  name: string;
  comparisonOperator: "GreaterThanThreshold";
  threshold: number;
  evaluationPeriods: number;
  treatMissingData: string;
  namespace?: string;
  metricName?: string;
  statistic?: "Sum";
  period?: number;
  metricQueries?: {
    id: string;
    returnData: boolean;
    label?: string;
    expression?: string;
    metric?: {
      namespace: string;
      metricName: string;
      period: number;
      stat: string;
      dimensions: Record<string, string>;
    };
  }[];
}

/** The call that the provider makes of an alarm's inputs. */
function alarmRequest(inputs: unknown): ConstructorParameters<typeof PutMetricAlarmCommand>[0] {
  const { name, comparisonOperator, threshold, evaluationPeriods, treatMissingData, metricQueries, ...one } =
    inputs as AlarmInputs;
  const common = {
    AlarmName: name,
    ComparisonOperator: comparisonOperator,
    Threshold: threshold,
    EvaluationPeriods: evaluationPeriods,
    TreatMissingData: treatMissingData,
  };
  if (metricQueries === undefined) {
    return {
      ...common,
      Namespace: one.namespace,
      MetricName: one.metricName,
      Statistic: one.statistic,
      Period: one.period,
    };
  }
  return {
    ...common,
    Metrics: metricQueries.map(({ id, returnData, label, expression, metric }) => ({
      Id: id,
      ReturnData: returnData,
      Label: label,
      Expression: expression,
      MetricStat:
        metric === undefined
          ? undefined
          : {
              Period: metric.period,
              Stat: metric.stat,
              Metric: {
                Namespace: metric.namespace,
                MetricName: metric.metricName,
                Dimensions: Object.entries(metric.dimensions).map(([Name, Value]) => ({ Name, Value })),
              },
            },
    })),
  };
}
