import { parentPort, workerData } from "node:worker_threads";

import { ShadownetError } from "../../../internal/problems";
import { Gateway } from "../gateway";
import type { PacketRecorder } from "../intake/captureWriter";
import { steeringProgram } from "../prefilter/steering";
import type { FromWorker, RecordedFrame, ToWorker, WorkerData, WorkerReport } from "./messages";

const reportMilliseconds = 100;

function tell(message: FromWorker): void {
  parentPort?.postMessage(message);
}

/** Hands the packets of carried flows to the main thread, which keeps the recording. */
class FrameSender implements PacketRecorder {
  /** What is too much for the disk is found where the file is written. */
  readonly dropped = 0;
  private frames: RecordedFrame[] = [];

  write(frame: Buffer, time: number): void {
    this.frames.push({ bytes: new Uint8Array(frame), time });
    if (this.frames.length >= 256) this.flush();
  }

  flush(): void {
    if (this.frames.length > 0) tell({ kind: "frames", frames: this.frames });
    this.frames = [];
  }

  close(): Promise<void> {
    this.flush();
    return Promise.resolve();
  }
}

/** One thread that carries flows of its own, with a socket of its own on the intake's address. */
async function main({ config, records, threads }: WorkerData): Promise<void> {
  const recorder = records ? new FrameSender() : undefined;
  const gateway = new Gateway(config, { recorder, threads });
  await gateway.start();
  const report = (): WorkerReport => ({ stats: gateway.snapshot(), lag: gateway.lag.counts });
  const timer = setInterval(() => {
    recorder?.flush();
    tell({ kind: "report", report: report() });
  }, reportMilliseconds);
  parentPort?.on("message", (message: ToWorker) => {
    if (message.kind === "steer") tell({ kind: "steered", done: gateway.steer(steeringProgram(message.count)) });
    else if (message.kind === "open") gateway.setOpen(message.open);
    else if (message.kind === "reload") gateway.reload(message.config);
    else if (message.kind === "endFlows") gateway.endFlows();
    else {
      clearInterval(timer);
      void gateway.stop().then(() => {
        tell({ kind: "stopped", report: report() });
        parentPort?.close();
      });
      return;
    }
    tell({ kind: "report", report: report() });
  });
  tell({
    kind: "ready",
    intakeAddress: gateway.intakeAddress,
    batched: gateway.snapshot().intake.receiver === "batched",
  });
}

main(workerData as WorkerData).catch((error: unknown) => {
  if (!(error instanceof ShadownetError)) throw error;
  tell({ kind: "problem", code: error.code, message: error.message, exitCode: error.exitCode });
});
