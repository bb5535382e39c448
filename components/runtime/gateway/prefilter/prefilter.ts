import { hashLimit, samplingFilter, type SamplingChoice } from "./samplingFilter";

/** A socket that the kernel can keep packets from. */
export interface FilteredSocket {
  /** Takes a filter program, or none; false when the kernel does not take it. Absent where there are no filters. */
  filter?(program: Buffer | undefined): boolean;
}

/**
 * Keeps the kernel's filter of an intake in step with the gateway's choice. Flows that are open keep their choice, so a
 * filter is only ever made wider; where that is not enough, because the seed is another one, it is taken away.
 */
export class Prefilter {
  /** Whether a filter is in place. */
  active = false;
  private current: SamplingChoice | undefined;
  private given = false;

  constructor(private readonly socket: FilteredSocket) {}

  /** Takes over the share, the seed and what is sampled by. */
  apply(percent: number, choice: Omit<SamplingChoice, "limit">): void {
    const next = { ...choice, limit: hashLimit(percent) };
    const before = this.current;
    if (before !== undefined && (before.seed !== next.seed || before.sampleBy !== next.sampleBy)) next.limit = 2 ** 32;
    this.current = { ...next, limit: Math.max(next.limit, before?.limit ?? 0) };
    const program = samplingFilter(this.current);
    if (program === undefined && !this.given) return;
    this.active = this.socket.filter?.(program) === true && program !== undefined;
    this.given = true;
  }
}
