import type { RunProgress } from "../runner/progress";

/** One message of a run's status stream; `end` is the last one. */
export interface RunMessage {
  id: number;
  kind: RunProgress["kind"];
  data: unknown;
}

/** So often whoever follows a run is told at least that it is still there. */
export const signOfLifeMilliseconds = 10_000;

type Listener = (message: RunMessage) => void;

const mostKept = 2000;

/**
 * What a run tells while it goes on. Somebody who comes late gets what happened before: phases, events and the newest
 * step; older ones beyond a limit are gone.
 */
export class RunStream {
  private readonly listeners = new Set<Listener>();
  private kept: RunMessage[] = [];
  private count = 0;

  push(kind: RunMessage["kind"], data: unknown): void {
    const message = { id: ++this.count, kind, data };
    const last = this.kept.at(-1);
    if (kind === "step" && last?.kind === "step") this.kept.pop();
    this.kept = [...this.kept, message].slice(-mostKept);
    for (const listener of [...this.listeners]) listener(message);
  }

  /** Gives everything after message `after`, then what comes; returns what ends that. */
  listen(after: number, listener: Listener): () => void {
    for (const message of this.kept) if (message.id > after) listener(message);
    this.listeners.add(listener);
    return () => this.listeners.delete(listener);
  }

  /** How many listen now. */
  get listening(): number {
    return this.listeners.size;
  }
}
