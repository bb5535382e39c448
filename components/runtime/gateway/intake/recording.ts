import { setImmediate as yieldTurn, setTimeout as sleep } from "node:timers/promises";

import { now } from "../time";
import { readCapture } from "./captureFile";

/** What a recording is played into. */
export interface RecordingSink {
  frame(data: Buffer, linkType: number, time: number): void;
  /** True while so much is under way that playing on would only pile it up. */
  busy(): boolean;
  stopped(): boolean;
  /** The file does not end with a whole packet. */
  cut(): void;
}

/** The longest that a timer waits. */
const longestSleep = 2 ** 31 - 1;

/**
 * Plays a capture file: each packet at its own distance from the first, divided by `speed`; with speed 0 as fast as the
 * sink takes them. The time handed on is the time of playing, so live timings are those of the recording over `speed`.
 */
export async function playRecording(path: string, speed: number, sink: RecordingSink): Promise<void> {
  let origin = NaN;
  let began = 0;
  let sinceYield = 0;
  for await (const packet of readCapture(path, () => sink.cut())) {
    if (sink.stopped()) return;
    if (Number.isNaN(origin)) [origin, began] = [packet.time, now()];
    const due = speed === 0 ? now() : began + (packet.time - origin) / speed;
    for (let wait = due - now(); wait > 1 && !sink.stopped(); wait = due - now())
      await sleep(Math.min(wait, longestSleep));
    if (++sinceYield % 64 === 0) await yieldTurn();
    while (speed === 0 && sink.busy() && !sink.stopped()) await sleep(1);
    sink.frame(packet.data, packet.linkType, Math.max(due, 0));
  }
}
