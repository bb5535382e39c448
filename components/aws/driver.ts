import { CloudWatchClient, PutMetricDataCommand } from "@aws-sdk/client-cloudwatch";
import { EC2Client, paginateDescribeInstances } from "@aws-sdk/client-ec2";
import { FisClient } from "@aws-sdk/client-fis";
import { GetParameterCommand, PutParameterCommand, SSMClient } from "@aws-sdk/client-ssm";

import type { FaultTarget } from "../experiment";
import { ExitCode, ShadownetError } from "../internal/problems";
import { interpretEffect } from "../runtime/faults/effect";
import type { Capabilities, FaultEffect, FaultPlan, ResolvedTarget } from "../runtime/faults/plan";
import type {
  ContainmentFinding,
  DrillResult,
  Driver,
  FaultHandle,
  MirrorState,
  ShadowDescription,
  SignalPoint,
} from "../runtime/runner/driver";
import { runOnInstances } from "./driver/commands";
import { probeAwsContainment } from "./driver/containment";
import { FisExperiments } from "./driver/experiments";
import { type DataPoint, type Question, readSeries } from "./driver/metrics";
import { mirrorQuestions, mirrorStateFrom } from "./driver/mirrorState";
import { readCounters } from "./driver/proof";
import { readAwsRecord } from "./driver/record";
import type { AwsShadowRecord } from "./driver/recordFormat";
import { AwsSampling, seriesOf } from "./driver/sampling";
import { resolveAwsTarget } from "./driver/targets";
import { until } from "./driver/waiting";
import { guestCapabilities } from "./experiment/script";
import { IntakeCommand } from "./gateway/names";
import { GatewayMetric, haltMetric, metricNamespace, metricStepSeconds, shadowDimension } from "./metrics";
import { shadowTag } from "./shadow";

/** How long the gateways may take until their metrics say what the intake was told. */
const intakeLimit = 50_000;

/**
 * The driver of the shadow on AWS with this name, in the account and region that the environment's credentials are for.
 * Throws a `ShadownetError` when there is no such shadow.
 */
export async function openAwsDriver(shadowName: string): Promise<Driver> {
  return new AwsDriver(await readAwsRecord(shadowName));
}

/** Clients of the services that a driver uses; tests give their own. */
export interface AwsClients {
  ec2: EC2Client;
  fis: FisClient;
  ssm: SSMClient;
  cloudWatch: CloudWatchClient;
  /** CloudWatch of production's region; metrics of another account are asked for by its number. */
  production: CloudWatchClient;
}

/** The clients that the environment's credentials are for. */
export function clientsFor({ shadow, production }: AwsShadowRecord): AwsClients {
  const { region } = shadow;
  return {
    ec2: new EC2Client({ region }),
    fis: new FisClient({ region }),
    ssm: new SSMClient({ region }),
    cloudWatch: new CloudWatchClient({ region }),
    production: new CloudWatchClient({ region: production.region }),
  };
}

/** Runs experiments on a shadow on AWS by its SDK alone. */
export class AwsDriver implements Driver {
  private readonly clients: AwsClients;
  private readonly experiments: FisExperiments;
  private readonly plans = new Map<string, FaultPlan>();
  private readonly opened = Date.now();
  private sampling: AwsSampling | undefined;

  constructor(
    private readonly record: AwsShadowRecord,
    clients?: AwsClients,
  ) {
    this.clients = clients ?? clientsFor(record);
    this.experiments = new FisExperiments(this.clients.fis, record.shadow.shadowName);
  }

  async describe(): Promise<ShadowDescription> {
    const { topology, fidelity, shadow } = this.record;
    const running = await this.runningInstances();
    return {
      network: `aws:${shadow.shadowName}`,
      backEnd: "aws",
      machines: topology.machines.map(({ name, role, interfaces }) => ({
        name,
        ...(role === undefined ? {} : { role }),
        running: running.has(shadow.machineIds[name] ?? ""),
        subnets: [...new Set(interfaces.map(({ subnet }) => subnet))],
      })),
      links: [...Object.keys(shadow.interfaceIds), ...Object.keys(shadow.subnetIds)],
      services: (topology.services ?? []).map(({ name, port, machines, edge }) => ({ name, port, machines, edge })),
      fidelity,
    };
  }

  private async runningInstances(): Promise<Set<string>> {
    const found = new Set<string>();
    const { shadowName, vpcId } = this.record.shadow;
    const Filters = [
      { Name: `tag:${shadowTag}`, Values: [shadowName] },
      { Name: "vpc-id", Values: [vpcId] },
      { Name: "instance-state-name", Values: ["running"] },
    ];
    for await (const { Reservations = [] } of paginateDescribeInstances({ client: this.clients.ec2 }, { Filters })) {
      for (const { Instances = [] } of Reservations) for (const { InstanceId } of Instances) found.add(InstanceId!);
    }
    return found;
  }

  capabilities(): Promise<Capabilities> {
    return Promise.resolve(guestCapabilities);
  }

  resolve(target: FaultTarget): Promise<ResolvedTarget> {
    return Promise.resolve().then(() => resolveAwsTarget(this.record, target));
  }

  async start(plan: FaultPlan): Promise<FaultHandle> {
    const id = await this.experiments.start(plan.id);
    this.plans.set(id, plan);
    return { id, target: plan.target, startedAt: Date.now() };
  }

  /** The documents beat by themselves; what is asked is whether FIS still runs the fault. */
  async heartbeat({ id }: FaultHandle): Promise<void> {
    const { state } = await this.experiments.get(id);
    if (state?.status === "running" || state?.status === "completed") return;
    throw new ShadownetError("fault-ended", `experiment ${id} is ${state?.status ?? "gone"}: ${state?.reason ?? ""}`);
  }

  async effect({ id }: FaultHandle): Promise<FaultEffect> {
    const plan = this.plans.get(id);
    if (plan === undefined) throw new ShadownetError("no-such-fault", `experiment ${id} was not started here`);
    const [experiment, { folder }] = await Promise.all([this.experiments.get(id), this.experiments.template(plan.id)]);
    return interpretEffect(plan, await readCounters(this.clients, this.record, plan, experiment, folder));
  }

  async stop({ id }: FaultHandle): Promise<void> {
    await this.experiments.stop(id);
    this.plans.delete(id);
  }

  probeContainment(): Promise<ContainmentFinding[]> {
    return probeAwsContainment(this.clients, this.record);
  }

  async mirror(): Promise<MirrorState> {
    const now = Date.now();
    const [answers, open] = await Promise.all([
      this.read([...mirrorQuestions], this.opened - 60_000, now),
      this.intakeOpen(),
    ]);
    return mirrorStateFrom(this.record, answers, open, now);
  }

  private async intakeOpen(): Promise<boolean> {
    const Name = `${this.record.parameterPath}/intake`;
    const { Parameter } = await this.clients.ssm.send(new GetParameterCommand({ Name }));
    return Parameter?.Value === IntakeCommand.Open;
  }

  /** Returns when the gateways themselves say so in their metrics, as far as they do within the time. */
  async setIntake(open: boolean): Promise<void> {
    const Value = open ? IntakeCommand.Open : IntakeCommand.Closed;
    const Name = `${this.record.parameterPath}/intake`;
    await this.clients.ssm.send(new PutParameterCommand({ Name, Value, Overwrite: true, Type: "String" }));
    const asked = Date.now();
    const state = mirrorQuestions.find(({ queries }) => queries[0]?.metric?.metricName === GatewayMetric.IntakeOpen)!;
    await until(intakeLimit, `the gateways to ${open ? "open" : "close"} their intake`, async () => {
      const [points = []] = await this.read([state], asked - metricStepSeconds * 1000, Date.now() + 1000);
      const last = points.at(-1);
      return last !== undefined && last.time >= asked - metricStepSeconds * 1000 && last.value > 0 === open
        ? true
        : undefined;
    });
  }

  startSampling(stepSeconds: number, sink: (points: SignalPoint[]) => void): Promise<void> {
    if (stepSeconds < metricStepSeconds) {
      const cure = `set analysis.stepSeconds to ${metricStepSeconds} or more`;
      const message = `on AWS a sample is at least ${metricStepSeconds} seconds long, not ${stepSeconds}; ${cure}`;
      return Promise.reject(new ShadownetError("step-too-short", message, ExitCode.BadInput));
    }
    const series = seriesOf(this.record, stepSeconds);
    const read = (questions: Question[], from: number, to: number): Promise<DataPoint[][]> =>
      this.read(questions, from, to);
    // What CloudWatch does not answer is a gap in the samples, which the analysis judges.
    this.sampling = new AwsSampling(series, stepSeconds, read, sink, () => undefined);
    this.sampling.start();
    return Promise.resolve();
  }

  async stopSampling(): Promise<void> {
    await this.sampling?.stop();
    this.sampling = undefined;
  }

  async leftovers(): Promise<string[]> {
    const active = await this.experiments.active();
    return active.map(({ id, fault }) => `experiment ${id} (${fault}) of an earlier run is still active`);
  }

  /** Trips the alarm that every experiment stops by, those that start meanwhile too, and stops what is active. */
  async halt(): Promise<void> {
    // Where the alarm cannot be tripped, the experiments are stopped all the same, and then it is said.
    const [tripped] = await Promise.allSettled([this.tripHaltAlarm()]);
    const active = await this.experiments.active();
    const stopped = await Promise.allSettled(active.map(({ id }) => this.experiments.stop(id)));
    const failed = [...stopped, tripped].find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  private async tripHaltAlarm(): Promise<void> {
    const Dimensions = [{ Name: shadowDimension, Value: this.record.shadow.shadowName }];
    const Timestamp = new Date();
    const MetricData = [{ MetricName: haltMetric, Dimensions, Timestamp, Value: 1, StorageResolution: 1 }];
    await this.clients.cloudWatch.send(new PutMetricDataCommand({ Namespace: metricNamespace, MetricData }));
  }

  async command(machine: string, argv: string[], timeoutSeconds: number): Promise<DrillResult> {
    const instance = this.record.shadow.machineIds[machine];
    if (instance === undefined) throw new ShadownetError("no-such-machine", `the shadow has no machine "${machine}"`);
    const line = argv.map((word) => `'${word.replaceAll("'", `'\\''`)}'`).join(" ");
    const [result] = await runOnInstances(this.clients.ssm, [instance], [line], timeoutSeconds);
    return { exitCode: result!.exitCode, output: (result!.stdout + result!.stderr).slice(-4000) };
  }

  async close(): Promise<void> {
    await this.stopSampling();
    for (const client of Object.values(this.clients) as { destroy(): void }[]) client.destroy();
  }

  private read(questions: Question[], from: number, to: number): Promise<DataPoint[][]> {
    const { cloudWatch: shadow, production } = this.clients;
    return readSeries({ shadow, production }, this.record, questions, from, to);
  }
}
