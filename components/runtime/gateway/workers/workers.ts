import { existsSync } from "node:fs";
import type { Server } from "node:http";
import { dirname, join } from "node:path";
import { Worker } from "node:worker_threads";

import { ExitCode, ShadownetError } from "../../../internal/problems";
import { checkConfig, parseIntake, type GatewayConfig } from "../config";
import { closeServers, serveBoth, type RunningGateway } from "../gateway";
import { CaptureWriter } from "../intake/captureWriter";
import { undelivered } from "../intake/kernelDrops";
import { openUdp } from "../intake/sources";
import { newStats, sumRequests, type GatewayStats } from "../stats";
import { StatsFile } from "../statsFile";
import { now } from "../time";
import { mergeStats } from "./mergeStats";
import type { FromWorker, RecordedFrame, ToWorker, WorkerData, WorkerReport } from "./messages";
import { OrderedRecorder } from "./orderedRecorder";

/** Starts a gateway whose flows are spread over threads; throws a `ShadownetError` when it cannot listen so. */
export async function startWorkers(config: GatewayConfig): Promise<RunningGateway> {
  await refuseTaken(config);
  const gateway = new WorkerGateway(config);
  await gateway.start();
  return gateway;
}

/** Threads share their address with whoever else shares his: it must not be another gateway, whose packets they would take. */
async function refuseTaken({ intake }: GatewayConfig): Promise<void> {
  const alone = await openUdp(parseIntake(intake!)!, () => undefined, newStats(0));
  await alone.close();
}

/** The compiled thread, also when this runs from source. */
function workerProgram(): string {
  let root = __dirname;
  while (!existsSync(join(root, "package.json"))) root = dirname(root);
  const program = join(root, "dist", "components", "runtime", "gateway", "workers", "workerMain.js");
  if (existsSync(program)) return program;
  throw new ShadownetError("not-built", `${program} is missing; build the package with \`npm run build\``);
}

/** One thread and what it last told. */
class Thread {
  report: WorkerReport | undefined;
  private readonly worker: Worker;
  private isReady = false;
  private waiting: {
    kind: FromWorker["kind"];
    resolve: (message: FromWorker) => void;
    reject: (error: Error) => void;
  }[] = [];

  constructor(data: WorkerData, program: string, takeFrames: (frames: RecordedFrame[]) => void) {
    this.worker = new Worker(program, {
      workerData: data,
      execArgv: [],
      resourceLimits: { maxYoungGenerationSizeMb: 12 },
    });
    this.worker.on("message", (message: FromWorker) => {
      if (message.kind === "report" || message.kind === "stopped") this.report = message.report;
      if (message.kind === "frames") takeFrames(message.frames);
      if (message.kind === "ready") this.isReady = true;
      if (message.kind === "problem") {
        const error = new ShadownetError(message.code, message.message, message.exitCode as ExitCode);
        for (const { reject } of this.waiting.splice(0)) reject(error);
      }
      const found = this.waiting.findIndex(({ kind }) => kind === message.kind);
      if (found >= 0) this.waiting.splice(found, 1)[0]!.resolve(message);
    });
    // What a thread could not handle is no smaller a failure than in a process without threads.
    this.worker.on("error", (error) => {
      throw error;
    });
  }

  tell(message: ToWorker): void {
    this.worker.postMessage(message);
  }

  /** Stops it first: its sockets are the process's, and would stay open when it is gone. */
  async end(): Promise<void> {
    if (this.isReady) {
      const stopped = this.hear("stopped");
      this.tell({ kind: "stop" });
      await stopped;
    }
    await this.worker.terminate();
  }

  hear<K extends FromWorker["kind"]>(kind: K): Promise<Extract<FromWorker, { kind: K }>> {
    return new Promise((resolve, reject) =>
      this.waiting.push({ kind, resolve: (message) => resolve(message as Extract<FromWorker, { kind: K }>), reject }),
    );
  }
}

/** One gateway of several threads: each takes whole flows from a socket of its own, this one keeps what they share. */
class WorkerGateway implements RunningGateway {
  intakeAddress = "";
  readonly finished = new Promise<void>(() => undefined);
  private readonly threads: Thread[] = [];
  private readonly startedAt = now();
  private readonly recorder: OrderedRecorder | undefined;
  private readonly lostBefore: number;
  private open: boolean;
  private readonly servers: Server[] = [];
  private timer: NodeJS.Timeout | undefined;
  private readonly statsFile: StatsFile;
  private stopping: Promise<GatewayStats> | undefined;

  constructor(private readonly config: GatewayConfig) {
    this.open = config.startClosed !== true;
    this.recorder = config.record === undefined ? undefined : new OrderedRecorder(new CaptureWriter(config.record));
    this.statsFile = new StatsFile(config.stats);
    this.lostBefore = this.lostByKernel() ?? 0;
  }

  async start(): Promise<void> {
    try {
      for (let index = 0; index < this.config.workers!; index++) await this.startThread();
      const [first] = this.threads as [Thread];
      first.tell({ kind: "steer", count: this.threads.length });
      if (!(await first.hear("steered")).done) throw cannotShare();
      this.setOpen(this.open);
      await this.heeded();
      await serveBoth(this.config, this, this.servers);
      await this.statsFile.begin(this.snapshot());
      this.recorder?.begin();
    } catch (error) {
      await Promise.all(this.threads.map((thread) => thread.end()));
      await this.recorder?.close();
      closeServers(this.servers);
      throw error;
    }
    this.timer = setInterval(() => {
      this.recorder?.releaseOld();
      void this.statsFile.write(this.snapshot());
    }, 1_000);
  }

  /** Counters of all threads, at most a tenth of a second old. */
  snapshot(): GatewayStats {
    const reports = this.threads.flatMap(({ report }) => (report === undefined ? [] : [report]));
    const open = this.open && reports.every((report) => report.stats.intake.open);
    const stats = mergeStats(this.startedAt, open, reports);
    const { intake, selection } = stats;
    selection.packetsUnrecorded = this.recorder?.dropped ?? 0;
    if (intake.prefiltered !== undefined && intake.kernelDrops !== null) {
      const all = intake.kernelDrops + intake.prefiltered;
      intake.kernelDrops = Math.min(intake.kernelDrops, (this.lostByKernel() ?? Infinity) - this.lostBefore);
      intake.prefiltered = all - intake.kernelDrops;
      sumRequests(stats);
    }
    return stats;
  }

  setOpen(open: boolean): void {
    this.open = open;
    this.tellAll({ kind: "open", open });
  }

  reload(config: GatewayConfig): void {
    this.tellAll({ kind: "reload", config: partOf(checkConfig(config), this.threads.length) });
  }

  endFlows(): void {
    this.tellAll({ kind: "endFlows" });
  }

  stop(): Promise<GatewayStats> {
    this.stopping ??= this.shutDown();
    return this.stopping;
  }

  private async startThread(): Promise<void> {
    const config = { ...partOf(this.config, this.config.workers!), startClosed: true };
    if (this.intakeAddress !== "") config.intake = config.intake!.replace(/\d+$/, /\d+$/.exec(this.intakeAddress)![0]);
    const records = this.recorder !== undefined;
    const index = this.threads.length;
    const thread = new Thread({ config, records, threads: this.config.workers! }, workerProgram(), (frames) =>
      this.recorder?.take(index, frames),
    );
    this.threads.push(thread);
    const { intakeAddress, batched } = await thread.hear("ready");
    if (!batched) throw cannotShare();
    this.intakeAddress = intakeAddress;
  }

  private async shutDown(): Promise<GatewayStats> {
    clearInterval(this.timer);
    this.open = false;
    await Promise.all(this.threads.map((thread) => thread.end()));
    await this.recorder?.close();
    closeServers(this.servers);
    const stats = this.snapshot();
    await this.statsFile.write(stats);
    return stats;
  }

  private tellAll(message: ToWorker): void {
    for (const thread of this.threads) thread.tell(message);
  }

  /** Waits until every thread has opened its intake, so that nothing which comes from then on is refused. */
  private async heeded(): Promise<void> {
    for (const thread of this.threads) {
      while (thread.report?.stats.intake.open !== this.open) await thread.hear("report");
    }
  }

  private lostByKernel(): number | undefined {
    return undelivered(this.config.intake?.includes("[") === true ? 6 : 4);
  }
}

/** The configuration of one thread of several: the bounds are shared out, and what there is once stays with the main thread. */
function partOf(config: GatewayConfig, count: number): GatewayConfig {
  const once = ["control", "startClosed", "metrics", "record", "workers"];
  const rest = Object.fromEntries(Object.entries(config).filter(([name]) => !once.includes(name)));
  const { limits } = config;
  const share = (whole: number): number => Math.ceil(whole / count);
  return {
    ...(rest as unknown as GatewayConfig),
    limits: {
      ...limits,
      flows: share(limits?.flows ?? 65_536),
      totalBytes: share(limits?.totalBytes ?? 256 * 2 ** 20),
    },
  };
}

function cannotShare(): ShadownetError {
  const reason = "several workers need the package koffi and a Linux kernel that steers packets by program; use 1";
  return new ShadownetError("cannot-share-intake", reason, ExitCode.NotPossibleHere);
}
