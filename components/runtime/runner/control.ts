import type { RunStatus, Verdict } from "./journal";

/** Why a run ends before its plan does. */
export class RunEnded extends Error {
  constructor(
    readonly status: Exclude<RunStatus, "running" | "completed">,
    message: string,
    readonly verdict?: Verdict,
    options?: ErrorOptions,
  ) {
    super(message, options);
    this.name = "RunEnded";
  }
}

/** The one place where a run is told to end; the first reason counts, and everything that waits ends with it. */
export class RunControl {
  private readonly controller = new AbortController();
  private readonly onUserAbort = (): void => {
    const reason: unknown = this.user?.reason;
    const message = reason instanceof Error && reason.name !== "AbortError" ? reason.message : "interrupted";
    this.end(new RunEnded("interrupted", message));
  };

  constructor(private readonly user?: AbortSignal) {
    if (user?.aborted === true) this.onUserAbort();
    else user?.addEventListener("abort", this.onUserAbort, { once: true });
  }

  get signal(): AbortSignal {
    return this.controller.signal;
  }

  /** Why the run was told to end; undefined while it may go on. */
  get ended(): RunEnded | undefined {
    return this.signal.aborted ? (this.signal.reason as RunEnded) : undefined;
  }

  /** Tells the run to end. Whatever is not yet a {@link RunEnded} is a failure of the run. */
  end(reason: unknown): RunEnded {
    if (this.ended !== undefined) return this.ended;
    const ended = reason instanceof RunEnded ? reason : asFailure(reason);
    this.controller.abort(ended);
    return ended;
  }

  throwIfEnded(): void {
    if (this.ended !== undefined) throw this.ended;
  }

  release(): void {
    this.user?.removeEventListener("abort", this.onUserAbort);
  }
}

function asFailure(error: unknown): RunEnded {
  return new RunEnded("failed", error instanceof Error ? error.message : String(error), undefined, { cause: error });
}
