import type { GatewayStats } from "../../runtime/gateway/stats";

/** Below this share of the ceiling the percentage is raised again. */
const comfortable = 0.8;

/**
 * The percentage for the next step under a ceiling. What is carried is the part of the intake's bytes that its packets
 * have in selected flows; above the ceiling the percentage falls in proportion, so that fewer whole flows are chosen, and
 * below it rises again by a fifth a step, never above what was asked.
 */
export function cappedPercent(
  asked: number,
  present: number,
  maxMegabitsPerSecond: number,
  before: GatewayStats,
  after: GatewayStats,
): number {
  const seconds = (after.time - before.time) / 1000;
  const packets = after.intake.packets - before.intake.packets;
  if (seconds <= 0 || packets <= 0) return Math.min(asked, present);
  const part = (after.selection.packetsSelected - before.selection.packetsSelected) / packets;
  const megabits = (((after.intake.bytes - before.intake.bytes) * 8) / 1e6 / seconds) * part;
  if (megabits > maxMegabitsPerSecond) return round(Math.min(asked, present * (maxMegabitsPerSecond / megabits)));
  if (megabits > comfortable * maxMegabitsPerSecond) return Math.min(asked, present);
  return round(Math.min(asked, present * 1.2));
}

/** Few digits, so that the configuration does not change for nothing; never 0, from which nothing would rise. */
function round(percent: number): number {
  return Math.max(0.01, Number(percent.toPrecision(3)));
}
