import { now } from "./time";

const quietAfterMilliseconds = 100;
const busyMilliseconds = 1;
const quietMilliseconds = 4;

/** What a turn came to: nothing, something, or so much that the next turn must not wait. */
export type TurnResult = "nothing" | "something" | "more";

/** Something that is looked at once per turn. */
export interface TurnSource {
  turn(): TurnResult;
}

/**
 * Looks at all sockets of this thread that Node's own loop does not watch: once a millisecond while something comes, at
 * once while a source says that more is waiting, every four milliseconds when it is quiet.
 */
class Turns {
  private readonly sources = new Set<TurnSource>();
  private timer: NodeJS.Timeout | undefined;
  private immediate: NodeJS.Immediate | undefined;
  private lastSomething = 0;

  add(source: TurnSource): void {
    this.sources.add(source);
    this.lastSomething = now();
    if (this.immediate === undefined && this.timer === undefined) this.schedule("something");
  }

  remove(source: TurnSource): void {
    this.sources.delete(source);
    if (this.sources.size === 0) this.cancel();
  }

  /** The next turn is not to wait: an answer is needed for something else to go on. */
  hurry(): void {
    if (this.immediate !== undefined || this.sources.size === 0) return;
    this.cancel();
    this.schedule("more");
  }

  private cancel(): void {
    clearTimeout(this.timer);
    clearImmediate(this.immediate);
    this.timer = this.immediate = undefined;
  }

  private run(): void {
    this.timer = this.immediate = undefined;
    let result: TurnResult = "nothing";
    for (const source of this.sources) {
      const came = source.turn();
      if (came === "more" || result === "nothing") result = came;
    }
    this.cancel();
    if (this.sources.size > 0) this.schedule(result);
  }

  private schedule(result: TurnResult): void {
    const time = now();
    if (result !== "nothing") this.lastSomething = time;
    if (result === "more") this.immediate = setImmediate(() => this.run());
    else {
      const busy = time - this.lastSomething <= quietAfterMilliseconds;
      this.timer = setTimeout(() => this.run(), busy ? busyMilliseconds : quietMilliseconds);
    }
  }
}

/** The turns of this thread. */
export const turns = new Turns();
