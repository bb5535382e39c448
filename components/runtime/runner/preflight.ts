import { within } from "./clock";
import { checkContainment } from "./containment";
import type { RunContext } from "./context";
import { RunEnded } from "./control";
import type { MirrorState } from "./driver";
import { fidelityProblems } from "./fidelity";
import { wholeService } from "./recent";

const callLimit = 60_000;

/** How long live traffic may take to show up after the intake was opened. */
const warmUpSeconds = 60;

/** Length of the window in which live and shadow must agree. */
const gateSeconds = 10;

/** How long the shadow may take until it agrees with live: caches fill, connections open. */
const gatePatienceSeconds = 60;

/** Expected seconds of a preflight in which all is well. */
export const usualPreflightSeconds = gateSeconds + 10;

/**
 * Everything that must be right before anything is broken, in the order in which it is safe: nothing is left of earlier
 * runs, the shadow is contained, only then is the intake opened, traffic flows, and live and shadow agree.
 */
export async function preflight(
  context: RunContext,
  sample: () => Promise<void>,
  marginPercent: number,
): Promise<void> {
  const { driver, writer, control, skip, intake } = context;
  await checkLeftovers(context);
  control.throwIfEnded();
  const before = await within(callLimit, "reading the mirror's state", driver.mirror());
  await checkContainment(context, "preflight");
  control.throwIfEnded();
  if (await intake.take()) writer.event("intake-opened", "the intake was opened after the containment probe");
  await sample();
  await waitForTraffic(context, before);
  await checkMirror(context);
  if (skip.fidelityGate === true) writer.event("skipped", "the fidelity gate was skipped on request");
  else await passFidelityGate(context, marginPercent);
}

async function checkLeftovers({ driver, writer, skip }: RunContext): Promise<void> {
  const leftovers = await within(callLimit, "looking for leftovers", driver.leftovers());
  if (leftovers.length === 0) {
    writer.event("no-leftovers", "nothing is left of earlier runs");
    return;
  }
  if (skip.leftovers === true) {
    writer.event("skipped", `left as they are on request: ${leftovers.join("; ")}`);
    return;
  }
  throw new RunEnded(
    "failed",
    `earlier runs left something behind: ${leftovers.join("; ")}; \`shadownet halt\` undoes it`,
  );
}

async function checkMirror({ driver, writer, skip }: RunContext): Promise<void> {
  const { problems } = await within(callLimit, "reading the mirror's state", driver.mirror());
  if (problems.length === 0) return;
  if (skip.mirrorHealth !== true) throw new RunEnded("failed", `the mirror is not healthy: ${problems.join("; ")}`);
  writer.event("skipped", `left as they are on request: ${problems.join("; ")}`);
}

async function waitForTraffic(context: RunContext, before: MirrorState): Promise<void> {
  const { driver, clock, control, recent, stepSeconds, writer } = context;
  const start = clock.now();
  for (;;) {
    await clock.sleep(stepSeconds * 1000, control.signal);
    const now = clock.now();
    const state = await within(callLimit, "reading the mirror's state", driver.mirror());
    const requests = recent.latest("app.requests", wholeService, "live", start, now + 1)?.value ?? 0;
    if (requests > 0 && state.replayed > before.replayed) {
      writer.event(
        "traffic-flows",
        `live traffic reaches the shadow after ${Math.round((now - start) / 1000)} seconds`,
      );
      return;
    }
    if (now - start > warmUpSeconds * 1000) throw new RunEnded("failed", noTraffic(state, before, requests));
  }
}

function noTraffic(state: MirrorState, before: MirrorState, requests: number): string {
  const seen = state.onWire - before.onWire;
  const replayed = state.replayed - before.replayed;
  const what = `in ${warmUpSeconds} seconds the gateway saw ${seen} requests and replayed ${replayed}`;
  const problems = state.problems.length === 0 ? "" : `; ${state.problems.join("; ")}`;
  const cure =
    seen > 0 && requests === 0
      ? "no live answer was measured; are both directions mirrored?"
      : "do clients reach an edge service, do the selectors match, is percent above 0?";
  return `no live traffic flows through the shadow: ${what}${problems}; ${cure}`;
}

async function passFidelityGate(context: RunContext, marginPercent: number): Promise<void> {
  const { driver, clock, control, recent, stepSeconds, writer } = context;
  const start = clock.now();
  const states: { time: number; state: MirrorState }[] = [];
  for (;;) {
    const now = clock.now();
    states.push({ time: now, state: await within(callLimit, "reading the mirror's state", driver.mirror()) });
    const from = states.findLast(({ time }) => time <= now - gateSeconds * 1000);
    if (from !== undefined) {
      const { state: after } = states.at(-1)!;
      const window = { from: from.time, to: now, stepSeconds, before: from.state, after, marginPercent };
      const problems = fidelityProblems(recent, window);
      if (problems.length === 0) {
        recent.calibrate(from.time, now);
        writer.event("fidelity-held", "live and shadow agree before anything is broken");
        return;
      }
      if (now - start > gatePatienceSeconds * 1000) {
        throw new RunEnded("failed", `live and shadow do not agree before anything is broken: ${problems.join("; ")}`);
      }
    }
    await clock.sleep(stepSeconds * 1000, control.signal);
  }
}
