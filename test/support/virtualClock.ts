import { type Clock, abortReason } from "../../components/runtime/runner/clock";

interface Sleeper {
  wake: number;
  order: number;
  resolve: () => void;
}

/**
 * A clock that jumps to the next sleeper as soon as everybody sleeps, so that minutes pass in milliseconds and two runs
 * with the same seed happen in the same order.
 */
export class VirtualClock implements Clock {
  private time: number;
  private order = 0;
  private sleepers: Sleeper[] = [];
  private turning = false;

  constructor(start = Date.UTC(2026, 2, 14, 9, 0, 0)) {
    this.time = start;
  }

  now(): number {
    return this.time;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      if (signal?.aborted) {
        reject(abortReason(signal));
        return;
      }
      const sleeper: Sleeper = {
        wake: this.time + Math.max(0, milliseconds),
        order: this.order++,
        resolve: () => undefined,
      };
      const onAbort = (): void => {
        this.sleepers = this.sleepers.filter((other) => other !== sleeper);
        reject(abortReason(signal!));
      };
      sleeper.resolve = () => {
        signal?.removeEventListener("abort", onAbort);
        resolve();
      };
      signal?.addEventListener("abort", onAbort, { once: true });
      this.sleepers.push(sleeper);
      this.turn();
    });
  }

  /** Everything that can happen without time passing happens within two rounds of the event loop, or waits for the disk. */
  private turn(): void {
    if (this.turning) return;
    this.turning = true;
    const wake = (): void => {
      if (isAtDisk()) setImmediate(() => setImmediate(wake));
      else this.wakeNext();
    };
    setImmediate(() => setImmediate(wake));
  }

  private wakeNext(): void {
    this.turning = false;
    const [next] = this.sleepers.sort((a, b) => a.wake - b.wake || a.order - b.order);
    if (next === undefined) return;
    this.sleepers.shift();
    this.time = Math.max(this.time, next.wake);
    next.resolve();
    this.turn();
  }
}

/** Whether somebody waits for a file. */
function isAtDisk(): boolean {
  return process.getActiveResourcesInfo().some((resource) => resource.startsWith("FSReq"));
}
