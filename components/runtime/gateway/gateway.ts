import type { Server } from "node:http";

import { BodyMemory } from "./compare/body";
import { ExchangeLog } from "./compare/exchangeLog";
import { checkConfig, parseEndpoint, parseIntake, type GatewayConfig } from "./config";
import { serveControl, type ControlledGateway } from "./control";
import { serveMetrics } from "./metrics";
import { checkCapture } from "./intake/captureFile";
import { CaptureWriter, type PacketRecorder } from "./intake/captureWriter";
import { flowsForDescriptors, mostDescriptors } from "./descriptors";
import { LagHistogram } from "./lagHistogram";
import { asEthernet } from "./intake/linkTypes";
import { playRecording } from "./intake/recording";
import type { FlowShared } from "./flows/flowShared";
import { Selection } from "./flows/selectors";
import { endpointKey } from "./endpointKey";
import { FlowTable, type FlowChoice } from "./flows/table";
import { InnerFrame, unwrapGeneve, unwrapVxlan } from "./intake/encapsulation";
import { decodeEthernet, Packet, type DecodeOutcome } from "./intake/packet";
import { openTcp, openUdp, type IntakeSource } from "./intake/sources";
import { Prefilter } from "./prefilter/prefilter";
import { NewFiles } from "./newFiles";
import { noteProcess } from "./processFigures";
import { configuredHooks } from "./replay/hooks/configured";
import type { Endpoint } from "./replay/shadowConnection";
import { SamplesFile } from "./samplesFile";
import { StatsFile } from "./statsFile";
import { bump, newStats, sumRequests, type GatewayStats } from "./stats";
import { now } from "./time";
import { startWorkers } from "./workers/workers";

/** How long a stop takes at most to look at what has come already, and then to wait for answers. */
const intakeMilliseconds = 1_000;
const drainMilliseconds = 4_000;
const tickMilliseconds = 100;
const vxlanPort = 4789;
const defaultFlows = 65_536;
/** Room for fewer than these is worth a word. */
const fewFlows = 10_000;
/** Exchanges under way beyond which a recording waits. */
const maximumUnderWay = 4_096;

/** A gateway that runs in this process. */
export interface RunningGateway {
  /** `address:port` of the intake. */
  readonly intakeAddress: string;
  /** Ends when a recording has been replayed to its end; never for an intake. */
  readonly finished: Promise<void>;
  /** Counters as they are now. */
  snapshot(): GatewayStats;
  setOpen(open: boolean): void;
  /** Takes over percent, seed, sampleBy, include and exclude; flows that are open keep their choice. */
  reload(config: GatewayConfig): void;
  /** Ends every flow that is open, as closing the intake does; later packets begin new ones. */
  endFlows(): void;
  /** Stops the intake, waits a few seconds for answers, writes the last counters and returns them. */
  stop(): Promise<GatewayStats>;
}

/**
 * Starts a gateway; throws a `ProblemsError` for a bad configuration and a `ShadownetError` when it cannot listen, or cannot
 * have its files. What files had before is there then, and none is new.
 */
export async function runGateway(config: GatewayConfig): Promise<RunningGateway> {
  const checked = checkConfig(config);
  if (checked.fromFile !== undefined) await checkCapture(checked.fromFile);
  sayWhatDescriptorsAllow(checked);
  const files = new NewFiles([checked.samples, checked.record, checked.stats]);
  try {
    return await start(checked);
  } catch (error) {
    files.remove();
    throw error;
  }
}

async function start(config: GatewayConfig): Promise<RunningGateway> {
  if ((config.workers ?? 1) > 1) return startWorkers(config);
  const gateway = new Gateway(config);
  await gateway.start();
  return gateway;
}

function sayWhatDescriptorsAllow({ workers = 1, limits }: GatewayConfig): void {
  const flows = flowsForDescriptors(workers) * workers;
  if (flows >= (limits?.flows ?? fewFlows)) return;
  const reason = `this process may have ${mostDescriptors()} descriptors open (ulimit -n)`;
  process.stderr.write(`carries at most ${flows} flows at a time, because ${reason}\n`);
}

/** What a gateway leaves to others when it is one thread of several: statistics, control, metrics and the recording. */
export interface WorkerRole {
  recorder: PacketRecorder | undefined;
  /** How many threads there are. */
  threads: number;
}

/** One gateway in this thread; {@link runGateway} starts it. */
export class Gateway implements RunningGateway {
  intakeAddress = "";
  finished = new Promise<void>(() => undefined);
  private readonly stats = newStats(now());
  /** How late requests left. */
  readonly lag = new LagHistogram();
  private readonly samples: SamplesFile;
  private readonly log: ExchangeLog;
  private readonly bodies: BodyMemory;
  private readonly shared: FlowShared;
  private readonly table: FlowTable;
  private readonly packet = new Packet();
  private readonly frame = new InnerFrame();
  private source: IntakeSource | undefined;
  private prefilter: Prefilter | undefined;
  private readonly servers: Server[] = [];
  private readonly recorder: PacketRecorder | undefined;
  private timers: NodeJS.Timeout[] = [];
  private readonly statsFile: StatsFile;
  private stopping: Promise<GatewayStats> | undefined;

  constructor(
    private config: GatewayConfig,
    private readonly role?: WorkerRole,
  ) {
    this.samples = new SamplesFile(config.samples);
    this.recorder = role === undefined ? recorderFor(config) : role.recorder;
    this.statsFile = new StatsFile(config.stats);
    const totalBytes = config.limits?.totalBytes ?? 256 * 2 ** 20;
    this.bodies = new BodyMemory(totalBytes / 4);
    const timeout = (config.responseTimeoutSeconds ?? 10) * 1000;
    this.log = new ExchangeLog(
      this.stats,
      () => timeout,
      (sample) => this.samples.add(sample),
      (lag) => this.lag.record(lag),
      this.bodies,
    );
    this.shared = {
      stats: this.stats,
      log: this.log,
      limits: {
        flows: config.limits?.flows ?? defaultFlows,
        descriptors: flowsForDescriptors(role?.threads ?? 1),
        bytesPerFlow: config.limits?.bytesPerFlow ?? 16 * 2 ** 20,
        totalBytes,
        maximumLagMilliseconds: config.limits?.maximumLagMilliseconds ?? 5_000,
        overtakingMilliseconds: config.limits?.overtakingMilliseconds ?? 10,
        holeTimeoutMilliseconds: config.limits?.holeTimeoutMilliseconds ?? 2_000,
        idleTimeoutMilliseconds: config.limits?.idleTimeoutMilliseconds ?? 300_000,
        openingMilliseconds: 200,
      },
      memory: { used: 0 },
      selection: selectionOf(config),
      recorder: this.recorder,
      hooks: configuredHooks(config.hooks, this.stats),
    };
    this.table = new FlowTable(this.shared, choiceOf(config));
  }

  async start(): Promise<void> {
    try {
      await this.open();
    } catch (error) {
      await this.closeFilesAndServers();
      throw error;
    }
  }

  private async open(): Promise<void> {
    const { config, stats } = this;
    const at = parseIntake(config.intake ?? "");
    stats.intake.open = config.startClosed !== true;
    if (at !== undefined) {
      const handler = this.handlerFor(at.kind);
      const open = at.kind === "tcp" ? openTcp : openUdp;
      this.source = await open(at, handler, stats, this.role !== undefined);
      this.intakeAddress = this.source.address;
      if (at.kind === "vxlan") this.prefilter = new Prefilter(this.source);
      this.applyPrefilter();
    }
    if (this.role === undefined) {
      await serveBoth(config, this, this.servers);
      // Last, because whoever starts a gateway waits for it.
      await this.statsFile.begin(this.snapshot());
    }
    this.recorder?.begin?.();
    this.timers = [
      setInterval(() => this.tick(), tickMilliseconds),
      setInterval(() => {
        this.table.forgetIdle(now());
        void this.writeStats();
      }, 1_000),
    ];
    if (config.fromFile !== undefined) this.finished = this.play(config.fromFile, config.speed ?? 1);
  }

  snapshot(): GatewayStats {
    this.source?.readDrops();
    const { stats } = this;
    sumRequests(stats);
    stats.time = now();
    stats.flows.open = this.table.size;
    stats.flows.heldBytes = this.table.heldBytes;
    stats.compare.samplesUnwritten = this.samples.unwritten;
    stats.selection.packetsUnrecorded = this.recorder?.dropped ?? 0;
    noteProcess(stats);
    stats.replay.lagMilliseconds = { p50: this.lag.quantile(0.5), p99: this.lag.quantile(0.99) };
    return stats;
  }

  setOpen(open: boolean): void {
    if (this.stats.intake.open && !open) this.endFlows();
    this.stats.intake.open = open;
  }

  endFlows(): void {
    this.table.closeAll(now(), "intakeClosed");
  }

  reload(config: GatewayConfig): void {
    const next = checkConfig(config);
    this.shared.selection = selectionOf(next);
    this.table.choice = {
      ...choiceOf(next),
      keepSource: this.table.choice.keepSource,
      ownAddressFor: this.table.choice.ownAddressFor,
      targets: this.table.choice.targets,
    };
    this.applyPrefilter();
  }

  private applyPrefilter(): void {
    const { percent, seed, sampleBy, targets } = this.table.choice;
    const servers = [...targets.keys()].map((key) => parseEndpoint(key)!);
    this.prefilter?.apply(percent, { servers, seed, sampleBy });
  }

  stop(): Promise<GatewayStats> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async shutDown(): Promise<GatewayStats> {
    await this.source?.drain?.(now() + intakeMilliseconds);
    this.source?.readDrops();
    this.stats.intake.open = false;
    await this.closeSource();
    this.table.closeAll(now(), "gatewayStopped");
    const deadline = now() + drainMilliseconds;
    while (this.log.size > 0 && now() < deadline) await new Promise((resolve) => setTimeout(resolve, 20));
    for (const timer of this.timers) clearInterval(timer);
    this.table.abort();
    this.log.close();
    await this.closeFilesAndServers();
    await this.writeStats();
    return this.stats;
  }

  private async closeSource(): Promise<void> {
    const { source } = this;
    this.source = undefined;
    await source?.close();
  }

  private async closeFilesAndServers(): Promise<void> {
    await this.closeSource();
    this.samples.close();
    await this.recorder?.close();
    closeServers(this.servers);
  }

  private async play(path: string, speed: number): Promise<void> {
    const { stats, log } = this;
    // Only for the shadow is it of use to wait: what is held of unfinished messages is for the recording to finish.
    const isMuch = (): boolean => this.table.heldBytes > this.shared.limits.totalBytes / 2;
    const busy = (): boolean => log.awaited > maximumUnderWay || (log.awaited > 0 && isMuch());
    await playRecording(path, speed, {
      frame: (data, linkType, time) => {
        stats.intake.packets++;
        stats.intake.bytes += data.length;
        this.takeRecorded(data, linkType, time);
      },
      busy,
      stopped: () => this.stopping !== undefined,
      cut: () => bump(stats.intake.malformed, "recordingCut"),
    });
    this.table.closeAll(now(), "incomplete");
    while (log.size > 0) await new Promise((resolve) => setTimeout(resolve, 20));
  }

  /** A recording holds plain packets, or mirrored ones that are still in their VXLAN packets. */
  private takeRecorded(data: Buffer, linkType: number, time: number): void {
    const { packet, frame } = this;
    const bytes = asEthernet(data, linkType);
    if (bytes === undefined) {
      bump(this.stats.intake.malformed, "linkType");
      return;
    }
    const outcome = decodeEthernet(bytes, 0, bytes.length, packet);
    const there = outcome === "ok" || outcome === "truncated";
    frame.vni = 0;
    const vxlan = there && packet.protocol === 17 && packet.destinationPort === vxlanPort;
    const inner = vxlan && unwrapVxlan(bytes, packet.payloadStart, packet.payloadEnd, frame);
    if (this.config.vni !== undefined && !(inner && frame.vni === this.config.vni)) this.stats.intake.ignored++;
    else if (inner) this.takeFrame(bytes, frame.start, packet.payloadEnd, frame.vni, time);
    else this.takePacket(outcome, 0, bytes.length, 0, time);
  }

  private tick(): void {
    const time = now();
    this.log.expire(time);
    this.table.tick(time);
    this.samples.flush();
  }

  /** Lets a program choose among the sockets of all threads; false when it cannot be had. */
  steer(program: Buffer): boolean {
    return this.source?.steer?.(program) ?? false;
  }

  private writeStats(): Promise<void> {
    return this.role === undefined ? this.statsFile.write(this.snapshot()) : Promise.resolve();
  }

  private handlerFor(kind: "vxlan" | "geneve" | "tcp"): (b: Buffer, start: number, end: number, time: number) => void {
    const { intake } = this.stats;
    const { frame } = this;
    const vni = this.config.vni ?? -1;
    const unwrap = kind === "vxlan" ? unwrapVxlan : unwrapGeneve;
    return (buffer, start, end, time) => {
      if (!intake.open) {
        intake.refusedWhileClosed++;
        return;
      }
      intake.packets++;
      intake.bytes += end - start;
      frame.start = start;
      frame.vni = 0;
      if (kind !== "tcp" && !unwrap(buffer, start, end, frame)) bump(intake.malformed, "encapsulation");
      else if (vni >= 0 && kind !== "tcp" && frame.vni !== vni) intake.ignored++;
      else this.takeFrame(buffer, frame.start, end, frame.vni, time);
    };
  }

  private takeFrame(buffer: Buffer, start: number, end: number, vni: number, time: number): void {
    this.takePacket(decodeEthernet(buffer, start, end, this.packet), start, end, vni, time);
  }

  private takePacket(outcome: DecodeOutcome, start: number, end: number, vni: number, time: number): void {
    const { intake } = this.stats;
    const { packet } = this;
    packet.time = time;
    packet.vni = vni;
    if (outcome === "ok" || outcome === "truncated") {
      if (outcome === "truncated") intake.truncated++;
      this.table.handle(packet, outcome === "truncated", start, end);
    } else if (outcome === "cut") intake.truncated++;
    else if (outcome === "notIp" || outcome === "notTcpOrUdp") intake.ignored++;
    else bump(intake.malformed, outcome);
  }
}

function recorderFor({ record }: GatewayConfig): CaptureWriter | undefined {
  return record === undefined ? undefined : new CaptureWriter(record);
}

/** Serves the control socket and the metrics of a gateway, as far as they are asked for, and adds what serves to `servers`. */
export async function serveBoth(
  { control, metrics }: GatewayConfig,
  gateway: ControlledGateway,
  servers: Server[],
): Promise<void> {
  if (control !== undefined) servers.push(await serveControl(control, gateway));
  const at = metrics === undefined ? undefined : parseEndpoint(metrics, 0);
  if (at !== undefined) servers.push(await serveMetrics(at.address, at.port, () => gateway.snapshot()));
}

/** Ends what {@link serveBoth} began. */
export function closeServers(servers: readonly Server[]): void {
  for (const server of servers) {
    server.close();
    server.closeAllConnections();
  }
}

function selectionOf(config: GatewayConfig): Selection {
  return new Selection(config.include ?? [], config.exclude ?? []);
}

function choiceOf(config: GatewayConfig): FlowChoice {
  const targets = new Map<string, Endpoint>();
  for (const [live, shadow] of Object.entries(config.to ?? {})) {
    targets.set(endpointKey(parseEndpoint(live)!), parseEndpoint(shadow)!);
  }
  const ownAddresses = (config.ownAddressFor ?? []).map((sourceCidr) => ({ sourceCidr }));
  return {
    percent: config.percent ?? 100,
    seed: config.seed ?? 1,
    sampleBy: config.sampleBy === "client" ? "client" : "flow",
    targets,
    keepSource: config.source === "original",
    ownAddressFor: ownAddresses.length === 0 ? undefined : new Selection(ownAddresses, []),
  };
}
