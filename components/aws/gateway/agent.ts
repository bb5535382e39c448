import { readFile, stat, truncate } from "node:fs/promises";

import type { MetricDatum } from "@aws-sdk/client-cloudwatch";

import { writeAtomically } from "../../internal/files";
import { checkConfig } from "../../runtime/gateway/config";
import type { ExchangeSample } from "../../runtime/gateway/exchange";
import type { GatewayStats } from "../../runtime/gateway/stats";
import { LineTail } from "../../runtime/runner/signals/tail";
import { metricStepSeconds } from "../metrics";
import type { GatewaySettings } from "../mirror/plan";
import { type GatewayBoot, gatewayConfigOf, gatewayFilesOf, type GatewayPlace } from "./boot";
import { cappedPercent } from "./ceiling";
import { counterData, exchangeData } from "./gatewayMetrics";
import { IntakeCommand } from "./names";

/** What the agent reaches: AWS, and the gateway process beside it. */
export interface AgentReach {
  /** Values of parameters by name; those that do not exist are left out. Throws when they cannot be read. */
  readParameters(names: readonly string[]): Promise<Record<string, string>>;
  putMetrics(data: MetricDatum[]): Promise<void>;
  /** The gateway's counters; undefined while it does not answer. */
  gatewayStats(): Promise<GatewayStats | undefined>;
  setIntake(open: boolean): Promise<void>;
  /** Makes the gateway read its configuration again. */
  reloadGateway(): Promise<void>;
  now(): number;
  log(message: string): void;
}

/** The intake is closed when nobody could say for so long that it may be open. */
const blindMilliseconds = 60_000;

/** Data points kept while they cannot be published. */
const mostWaiting = 20_000;

/** The samples are cut off at this size: what was read of them has been counted. */
const mostSampleBytes = 64 * 2 ** 20;

/**
 * Keeps one gateway as the parameter store says: its settings, and whether its intake is open. What cannot be read stays
 * as it was, except that the intake closes after a minute without an answer. Publishes what the gateway counts.
 */
export class GatewayAgent {
  /** The configuration as it stands on disk; undefined when that has to be looked up. */
  private written: string | undefined;
  private unheeded = false;
  private settings: GatewaySettings | undefined;
  private open = false;
  private heard: number;
  private startedAt: number | undefined;
  private published = 0;
  private last: GatewayStats | undefined;
  private measured: GatewayStats | undefined;
  private percent: number | undefined;
  private waiting: MetricDatum[] = [];
  private readonly tail: LineTail;

  constructor(
    private readonly boot: GatewayBoot,
    private readonly place: GatewayPlace,
    private readonly reach: AgentReach,
  ) {
    this.heard = reach.now();
    this.tail = new LineTail(gatewayFilesOf(place).samples);
  }

  /** One turn: read, steer, and publish when a step is over. Never throws. */
  async turn(): Promise<void> {
    await this.guarded("reading the parameters", () => this.read());
    await this.guarded("steering the gateway", () => this.steer());
    if (this.reach.now() - this.published < metricStepSeconds * 1000) return;
    this.published = this.reach.now();
    await this.guarded("publishing", () => this.publish());
  }

  /** Lets the file of samples go; after the last turn. */
  close(): Promise<void> {
    return this.tail.close();
  }

  /** Writes the configuration that the parameters ask for; throws when that cannot be done and there is none yet. */
  async prepare(): Promise<void> {
    try {
      await this.read();
      if (this.settings === undefined) throw new Error(`${this.boot.settingsParameter} does not exist`);
      await this.writeConfig(this.settings);
    } catch (error) {
      const { config } = gatewayFilesOf(this.place);
      const older = await stat(config).catch(() => undefined);
      if (older === undefined) throw error;
      this.reach.log(`starting with the last configuration: ${String(error)}`);
    }
  }

  private async read(): Promise<void> {
    const { settingsParameter, intakeParameter } = this.boot;
    let values: Record<string, string>;
    try {
      values = await this.reach.readParameters([settingsParameter, intakeParameter]);
    } catch (error) {
      if (this.reach.now() - this.heard > blindMilliseconds) this.open = false;
      throw error;
    }
    this.heard = this.reach.now();
    this.open = values[intakeParameter] === IntakeCommand.Open;
    const text = values[settingsParameter];
    if (text === undefined) return;
    const settings = JSON.parse(text) as GatewaySettings;
    checkConfig(gatewayConfigOf(this.boot, settings, this.place));
    this.settings = settings;
  }

  private async steer(): Promise<void> {
    const stats = await this.reach.gatewayStats();
    if (stats?.startedAt !== this.startedAt) this.written = undefined;
    this.startedAt = stats?.startedAt;
    if (this.settings !== undefined) {
      const percent = this.chosenPercent(this.settings, stats);
      if (await this.writeConfig({ ...this.settings, percent })) this.unheeded = true;
    }
    // A process that does not answer yet would end of the signal.
    if (this.unheeded && stats !== undefined) {
      await this.reach.reloadGateway();
      this.unheeded = false;
    }
    if (stats !== undefined && stats.intake.open !== this.open) await this.reach.setIntake(this.open);
  }

  private chosenPercent(settings: GatewaySettings, stats: GatewayStats | undefined): number {
    const { maxMegabitsPerSecond, percent } = settings;
    if (maxMegabitsPerSecond === undefined || stats === undefined) return percent;
    const before = this.measured;
    if (before !== undefined && stats.time - before.time < metricStepSeconds * 1000) return this.percent ?? percent;
    this.measured = stats;
    const restarted = before === undefined || before.startedAt !== stats.startedAt;
    this.percent = restarted
      ? Math.min(percent, this.percent ?? percent)
      : cappedPercent(percent, this.percent ?? percent, maxMegabitsPerSecond, before, stats);
    return this.percent;
  }

  /** Whether the configuration has changed. */
  private async writeConfig(settings: GatewaySettings): Promise<boolean> {
    const text = `${JSON.stringify(gatewayConfigOf(this.boot, settings, this.place), null, 2)}\n`;
    this.written ??= await readFile(gatewayFilesOf(this.place).config, "utf8").catch(() => "");
    if (text === this.written) return false;
    await writeAtomically(gatewayFilesOf(this.place).config, text);
    this.written = text;
    return true;
  }

  private async publish(): Promise<void> {
    const { shadowName, basis } = this.boot;
    const samples = (await this.tail.read()).flatMap(parsed);
    await this.boundSamples();
    this.waiting.push(...exchangeData(samples, shadowName, basis.machines));
    const stats = await this.reach.gatewayStats();
    if (stats !== undefined) {
      this.waiting.push(...counterData(this.last ?? stats, stats, shadowName));
      this.last = stats;
    }
    if (this.waiting.length > mostWaiting) {
      this.reach.log(`${this.waiting.length - mostWaiting} data points are given up`);
      this.waiting = this.waiting.slice(-mostWaiting);
    }
    const data = this.waiting;
    if (data.length === 0) return;
    await this.reach.putMetrics(data);
    this.waiting = [];
  }

  private async boundSamples(): Promise<void> {
    const { samples } = gatewayFilesOf(this.place);
    const size = await stat(samples).then(
      (found) => found.size,
      () => 0,
    );
    if (size > mostSampleBytes) await truncate(samples, 0);
  }

  private async guarded(what: string, run: () => Promise<void>): Promise<void> {
    try {
      await run();
    } catch (error) {
      this.reach.log(`${what}: ${error instanceof Error ? error.message : String(error)}`);
    }
  }
}

function parsed(line: string): ExchangeSample[] {
  try {
    const sample = JSON.parse(line) as ExchangeSample;
    return Number.isFinite(sample.live.start) && typeof sample.flow === "string" ? [sample] : [];
  } catch {
    return [];
  }
}
