import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { pause } from "./interruption";
import type { Load, Offered } from "./mirrorLoad";
import { startNginxShadow, type NginxShadow } from "./nginxShadow";
import { processorTime, residentBytes } from "./processFigures";
import { basePort, sizes } from "./sizes";

/** Second byte of the addresses of those clients that count; the warm-up's are others. */
export const measuredSubnet = 8;

/** A program that takes mirrored packets and gives their requests to a shadow. */
export interface Candidate {
  readonly pid: number;
  /** Waits until a warm-up of so many exchanges is done with. */
  settle(exchanges: number): Promise<void>;
  /** Ends it; what it says about itself. */
  stop(): Promise<Record<string, unknown>>;
}

/** Where a candidate finds what it needs. */
export interface Place {
  folder: string;
  /** For its intake. */
  port: number;
  shadowPort: number;
}

/** What one candidate is measured with. */
export interface Trial {
  rate: number;
  /** Gets ready what {@link offer} needs, before anything is measured. */
  prepare?(load: Load): Promise<void>;
  /** Sends the packets. */
  offer(load: Load): Promise<Offered>;
  start(place: Place): Promise<Candidate>;
  /** Lets the candidate go on after the last packet until the shadow gets nothing more, instead of for 1.5 s. */
  untilStill?: boolean;
}

/** Figures of one candidate at one rate; CPU is per packet offered. */
export interface Delivery extends Record<string, unknown> {
  deliveredIntactPercent: number;
  cpuMicrosecondsPerPacket: number;
}

/** Waits until the shadow has got nothing for two seconds; how many seconds it got something before, in halves. */
async function stillness(shadow: NginxShadow): Promise<number> {
  let [polls, lastChange, seen] = [0, 0, -1];
  for (; polls - lastChange < 4; polls++) {
    await pause(500);
    const { intact, corrupt } = await shadow.served();
    if (intact + corrupt !== seen) lastChange = polls;
    seen = intact + corrupt;
  }
  return lastChange / 2;
}

/** Starts a shadow and a candidate, warms both up, offers packets and counts what the shadow got. */
export async function measureDelivery(trial: Trial): Promise<Delivery> {
  const { rate, untilStill = false } = trial;
  const { seconds, flows, bodyBytes } = sizes;
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
  const shadow = await startNginxShadow(folder, basePort, bodyBytes);
  const port = basePort + 2;
  const warmUpLoad: Load = { port, subnet: 30, flows: 50, rate: 2_000, seconds: 3, bodyBytes };
  const load: Load = { port, subnet: measuredSubnet, flows, rate, seconds, bodyBytes };
  let candidate: Candidate | undefined;
  try {
    await trial.prepare?.(warmUpLoad);
    await trial.prepare?.(load);
    candidate = await trial.start({ folder, port, shadowPort: shadow.port });
    const warmUp = await trial.offer(warmUpLoad);
    await candidate.settle(warmUp.sent);
    const before = processorTime(candidate.pid);
    const offered = await trial.offer(load);
    const wentOnSeconds = untilStill ? await stillness(shadow) : undefined;
    if (!untilStill) await pause(1_500);
    const after = processorTime(candidate.pid);
    const resident = residentBytes(candidate.pid);
    const own = await candidate.stop();
    const { intact, corrupt } = await shadow.served();
    const perPacket = (microseconds: number): number => Number((microseconds / offered.packets).toFixed(2));
    return {
      rate,
      offeredPackets: warmUp.packets + offered.packets,
      offeredPerSecond: Math.round(offered.sent / offered.seconds),
      offeredPacketsPerSecond: Math.round(offered.packets / offered.seconds),
      bodyBytes,
      packetsPerExchange: Number((offered.packets / offered.sent).toFixed(1)),
      deliveredIntactPercent: Number(((100 * intact) / (offered.sent + warmUp.sent)).toFixed(3)),
      corrupt,
      cpuMicrosecondsPerPacket: perPacket(after.total - before.total),
      ofThatInKernel: perPacket(after.kernel - before.kernel),
      residentMegabytes: Math.round(resident / 1e6),
      wentOnSeconds,
      ...own,
    };
  } finally {
    await Promise.allSettled([candidate?.stop(), shadow.stop()]);
    rmSync(folder, { recursive: true, force: true });
  }
}
