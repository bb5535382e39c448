import type { PacketRecorder } from "../intake/captureWriter";
import { now } from "../time";
import type { RecordedFrame } from "./messages";

/** How long a packet waits for earlier ones of other threads; they tell of theirs ten times a second. */
const waitMilliseconds = 500;
/** With so much waiting the order is given up, not the packets. */
const mostWaitingBytes = 32 * 2 ** 20;

/** Merges the packets of several threads by their time; those of one thread keep their order whatever their times say. */
export class OrderedRecorder {
  private readonly queues: RecordedFrame[][] = [];
  private waitingBytes = 0;

  constructor(private readonly recorder: PacketRecorder) {}

  get dropped(): number {
    return this.recorder.dropped;
  }

  begin(): void {
    this.recorder.begin?.();
  }

  take(thread: number, frames: readonly RecordedFrame[]): void {
    const queue = (this.queues[thread] ??= []);
    for (const frame of frames) {
      queue.push(frame);
      this.waitingBytes += frame.bytes.length;
    }
    if (this.waitingBytes > mostWaitingBytes) this.release(Infinity);
    else this.releaseOld();
  }

  /** Writes what earlier packets are no longer expected for. */
  releaseOld(): void {
    this.release(now() - waitMilliseconds);
  }

  close(): Promise<void> {
    this.release(Infinity);
    return this.recorder.close();
  }

  private release(until: number): void {
    const written = Array.from(this.queues, () => 0);
    for (;;) {
      let first = -1;
      let earliest = until;
      for (let thread = 0; thread < this.queues.length; thread++) {
        const time = this.queues[thread]?.[written[thread]!]?.time ?? Infinity;
        if (time < earliest || (time === earliest && time !== Infinity && first < 0))
          [first, earliest] = [thread, time];
      }
      if (first < 0) break;
      const { bytes, time } = this.queues[first]![written[first]!++]!;
      this.recorder.write(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length), time);
      this.waitingBytes -= bytes.length;
    }
    written.forEach((count, thread) => this.queues[thread]?.splice(0, count));
  }
}
