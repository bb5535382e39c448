import { ShadownetError } from "../../internal/problems";
import { probesIn } from "../faults/probeEffect";
import type { DirectionEffect, FaultEffect, FaultPlan } from "../faults/plan";
import { type Clock, within } from "./clock";
import { type Driver, type FaultHandle, shadowGoneCode } from "./driver";
import type { JournalFault } from "./journal";
import type { JournalWriter } from "./journalWriter";

/** Longest time that one call to a back end may take. */
const callLimit = 60_000;

/** Shorter for what an undo may have to wait for: a target that hangs ends the fault by itself meanwhile. */
const shortLimit = 15_000;

const stopAttempts = 3;
const missedHeartbeats = 3;

/** A fault that is on, or may be. */
export interface ActiveFault {
  handle: FaultHandle;
  plan: FaultPlan;
  fault: JournalFault;
  window: { start: number; end: number };
}

interface Beating {
  active: ActiveFault;
  stop: AbortController;
  ended: Promise<void>;
}

/** The faults of a run that are on now: starts them, keeps them alive, proves them, and undoes every one. */
export class ActiveFaults {
  private readonly beating = new Map<ActiveFault, Beating>();

  constructor(
    private readonly driver: Driver,
    private readonly clock: Clock,
    private readonly writer: JournalWriter,
    private readonly onLost: (error: Error) => void,
  ) {}

  /** Names of the actions whose faults are on. */
  get actions(): string[] {
    return [...this.beating.keys()].map(({ fault }) => fault.action);
  }

  /**
   * Starts a fault. The journal tells of it before, with the end at which the target undoes it by itself, so that the
   * journal of a killed run still says when it was over.
   */
  async start(plan: FaultPlan, fault: JournalFault, seconds: number): Promise<ActiveFault> {
    const asked = this.clock.now();
    const window = { start: asked, end: asked + seconds * 1000 };
    fault.windows.push(window);
    this.writer.event("fault-starting", `${fault.action}: ${fault.kind} on ${fault.target}`, { plan: plan.id });
    const starting = this.driver.start(plan);
    let handle: FaultHandle;
    try {
      handle = await within(callLimit, `starting fault "${plan.id}"`, starting);
    } catch (error) {
      starting.then((late) => this.driver.stop(late)).catch(() => undefined);
      fault.windows.pop();
      this.writer.event("fault-not-started", `${fault.action}: ${(error as Error).message}`);
      throw error;
    }
    const now = this.clock.now();
    window.start = handle.startedAt >= asked && handle.startedAt <= now ? handle.startedAt : now;
    window.end = window.start + seconds * 1000;
    const active = { handle, plan, fault, window };
    this.beginHeartbeat(active);
    this.writer.event("fault-started", `${fault.action}: ${fault.kind} on ${fault.target} is on`, { plan: plan.id });
    return active;
  }

  /** Reads the proof; undefined when the target cannot give it any more. */
  async readEffect({ handle, fault }: ActiveFault): Promise<FaultEffect | undefined> {
    try {
      return await within(shortLimit, `reading the effect of fault "${handle.id}"`, this.driver.effect(handle));
    } catch (error) {
      this.writer.event("effect-unreadable", `${fault.action}: ${(error as Error).message}`);
      return undefined;
    }
  }

  /** Undoes a fault, trying several times; when nothing helps, undoes everything on the shadow. */
  async stop(active: ActiveFault): Promise<void> {
    const beating = this.beating.get(active);
    if (beating === undefined) return;
    beating.stop.abort();
    await beating.ended;
    const asked = this.clock.now();
    await this.stopHandle(active);
    this.beating.delete(active);
    active.window.end = Math.min(active.window.end, asked);
    this.writer.event(
      "fault-stopped",
      `${active.fault.action}: ${active.fault.kind} on ${active.fault.target} is undone`,
    );
  }

  /** Undoes every fault that is still on; tries all even when some fail, and throws the first error then. */
  async stopAll(): Promise<void> {
    const results = await Promise.allSettled([...this.beating.keys()].map((active) => this.stop(active)));
    const failed = results.find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  private async stopHandle({ handle, fault }: ActiveFault): Promise<void> {
    let failure: unknown;
    for (let attempt = 1; attempt <= stopAttempts; attempt++) {
      try {
        await within(shortLimit, `undoing fault "${handle.id}"`, this.driver.stop(handle));
        return;
      } catch (error) {
        failure = error;
        const message = `${fault.action}: attempt ${attempt} failed: ${(error as Error).message}`;
        this.writer.event("undo-failed", message);
        await this.clock.sleep(200 * attempt);
      }
    }
    await within(callLimit, "halting the shadow", this.driver.halt());
    this.writer.event("halted", `${fault.action} was undone with everything else on the shadow`);
    const what = `fault "${handle.id}" could only be undone by halting the whole shadow`;
    throw new Error(`${what}: ${(failure as Error).message}`, { cause: failure });
  }

  private beginHeartbeat(active: ActiveFault): void {
    const stop = new AbortController();
    this.beating.set(active, { active, stop, ended: this.beat(active, stop.signal) });
  }

  private async beat({ plan, handle, fault }: ActiveFault, signal: AbortSignal): Promise<void> {
    if (plan.heartbeatSeconds <= 0) return;
    let missed = 0;
    for (;;) {
      try {
        await this.clock.sleep(plan.heartbeatSeconds * 1000, signal);
      } catch {
        return;
      }
      try {
        await within(shortLimit, `the heartbeat of fault "${handle.id}"`, this.driver.heartbeat(handle));
        missed = 0;
      } catch (error) {
        if (error instanceof ShadownetError && error.code === shadowGoneCode) {
          this.onLost(error);
          return;
        }
        missed += 1;
        this.writer.event("heartbeat-missed", `${fault.action}: ${(error as Error).message}`);
        if (missed < missedHeartbeats) continue;
        this.onLost(new Error(`fault "${handle.id}" lost its heartbeat: ${(error as Error).message}`));
        return;
      }
    }
  }
}

/** One effect for all windows of a fault: counters add up, and it is proven only when every window proved it. */
export function mergeEffects(effects: (FaultEffect | undefined)[]): FaultEffect | undefined {
  const known = effects.filter((effect) => effect !== undefined);
  const last = known.at(-1);
  if (last === undefined) return undefined;
  const counters: Record<string, number> = {};
  for (const effect of known) {
    for (const [name, value] of Object.entries(effect.counters)) counters[name] = (counters[name] ?? 0) + value;
  }
  const ofWay = (way: "egress" | "ingress"): DirectionEffect =>
    mergeJudgements(
      known.map(({ directions }) => directions![way]),
      effects.length,
    );
  return {
    ...mergeJudgements(known, effects.length),
    counters,
    ...(last.probes === undefined ? {} : { probes: probesIn(counters) }),
    ...(last.directions === undefined ? {} : { directions: { egress: ofWay("egress"), ingress: ofWay("ingress") } }),
  };
}

function mergeJudgements(known: DirectionEffect[], windows: number): DirectionEffect {
  const last = known.at(-1)!;
  const proven = known.filter((effect) => effect.proven);
  const measured = known.flatMap((effect) => (effect.measured === undefined ? [] : [effect.measured]));
  const all = proven.length === windows;
  const witness = all ? last : (known.find((effect) => !effect.proven) ?? last);
  const share = windows === 1 ? "" : `proven in ${proven.length} of ${windows} windows; `;
  return {
    ...last,
    proven: all,
    why: share + witness.why,
    ...(measured.length === 0 ? {} : { measured: measured.reduce((sum, value) => sum + value, 0) / measured.length }),
  };
}
