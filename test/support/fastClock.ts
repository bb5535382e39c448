import { type Clock, systemClock } from "../../components/runtime/runner/clock";

/** Real time, sped up: for what waits for real input and output between its sleeps. */
export class FastClock implements Clock {
  private readonly begun = Date.now();

  constructor(private readonly factor = 50) {}

  now(): number {
    return this.begun + (Date.now() - this.begun) * this.factor;
  }

  sleep(milliseconds: number, signal?: AbortSignal): Promise<void> {
    return systemClock.sleep(milliseconds / this.factor, signal);
  }
}
