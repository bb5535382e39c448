import { readRecord } from "../internal/files";
import { join } from "node:path";

import type { ExchangeSample } from "../runtime/gateway/exchange";
import type { SignalPoint } from "../runtime/runner/driver";
import { AppSignals } from "../runtime/runner/signals/appSignals";
import { GatewaySignals } from "../runtime/runner/signals/gatewaySignals";
import type { GatewayStats } from "../runtime/gateway/stats";
import type { Topology } from "../topology";
import { networkFolder } from "./kernel/names";
import { MachineSampler } from "./sampler";
import type { ShadowRecord } from "./shadowRecord";

/** Settings of {@link LabSampling}. */
interface LabSamplingSettings {
  network: string;
  record: ShadowRecord;
  stepSeconds: number;
  sink: (points: SignalPoint[]) => void;
  /** Gets the raw exchanges. Defaults to nobody. */
  exchanges?: (samples: ExchangeSample[]) => void;
}

/** Records every signal of the shadow and of its production, one step after the other, until stopped. */
export class LabSampling {
  private timer: NodeJS.Timeout | undefined;
  private running: Promise<void> = Promise.resolve();
  private readonly machines: MachineSampler[];
  private readonly app: AppSignals;
  private readonly gateway = new GatewaySignals();
  private readonly step: number;

  constructor(private readonly settings: LabSamplingSettings) {
    const { network, record, stepSeconds } = settings;
    this.step = stepSeconds * 1000;
    const names = record.topology.machines.map(({ name }) => name);
    this.machines = [new MachineSampler(network, "shadow", names)];
    if (record.production !== undefined) this.machines.push(new MachineSampler(record.production, "live", names));
    this.app = new AppSignals({
      file: this.gatewayFile("samples.ndjson"),
      stepSeconds,
      machineByAddress: machineByAddress(record.topology),
      onExchanges: settings.exchanges,
    });
  }

  async start(): Promise<void> {
    await this.app.start();
    this.schedule();
  }

  async stop(): Promise<void> {
    clearTimeout(this.timer);
    this.timer = undefined;
    await this.running;
    await this.tick(Math.floor(Date.now() / this.step) * this.step);
    await this.app.stop();
  }

  private schedule(): void {
    const next = (Math.floor(Date.now() / this.step) + 1) * this.step;
    this.timer = setTimeout(() => {
      this.running = this.tick(next - this.step).then(() => {
        if (this.timer !== undefined) this.schedule();
      });
    }, next - Date.now());
  }

  private async tick(stepStart: number): Promise<void> {
    const stats = await readRecord<GatewayStats>(this.gatewayFile("stats.json"));
    const perMachine = await Promise.all(this.machines.map((sampler) => sampler.sample(stepStart)));
    const ofGateway = stats === undefined ? [] : this.gateway.points(stats, stepStart);
    const ofApp = await this.app.collect();
    this.settings.sink([...perMachine.flat(), ...ofGateway, ...ofApp]);
  }

  private gatewayFile(name: string): string {
    return join(networkFolder(this.settings.network), "gateway", name);
  }
}

function machineByAddress(topology: Topology): Map<string, string> {
  const pairs = topology.machines.flatMap(({ name, interfaces }) =>
    interfaces.flatMap(({ addresses }) => addresses.map((address): [string, string] => [address, name])),
  );
  return new Map(pairs);
}
