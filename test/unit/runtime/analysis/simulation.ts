import type { Sample } from "../../../../components/runtime/analysis";

/** Small seeded generator (mulberry32), so that simulations repeat. */
export function generator(seed: number): { uniform: () => number; normal: () => number } {
  let state = seed >>> 0;
  const uniform = (): number => {
    state = (state + 0x6d2b79f5) >>> 0;
    let mixed = Math.imul(state ^ (state >>> 15), state | 1);
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61);
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4294967296;
  };
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());
  return { uniform, normal };
}

/** What a simulated pair is made of. */
export interface Model {
  samples: number;
  /** Autocorrelation of each side's noise. */
  phi: number;
  /** Added to shadow while true. */
  effect?: number;
  during?: (second: number) => boolean;
  /** Share of samples with a Pareto(1.5) spike. Defaults to none. */
  spikes?: number;
  /** How strongly both sides follow the shared load, 0 for constant load. Defaults to 1. */
  load?: number;
  /** How much more strongly shadow follows the shared load than live does. Defaults to 1. */
  slope?: number;
}

/**
 * Live and shadow under one load: AR(1) with coefficient 0.98 and sd 2 plus a random drift, shared; shadow 5 higher; each
 * side its own AR(1) noise of sd 1.
 */
export function simulate(seed: number, model: Model): { live: Sample[]; shadow: Sample[] } {
  const { samples, phi, effect = 0, during = () => false, spikes = 0, load = 1, slope = 1 } = model;
  const { uniform, normal } = generator(seed);
  const series = (coefficient: number, sd: number): (() => number) => {
    let value = normal() * sd;
    const innovation = sd * Math.sqrt(1 - coefficient * coefficient);
    return () => {
      const current = value;
      value = coefficient * value + normal() * innovation;
      return current;
    };
  };
  const [shared, liveNoise, shadowNoise] = [series(0.98, 2), series(phi, 1), series(phi, 1)];
  const drift = 2 * normal();
  const spike = (): number => (uniform() < spikes ? (1 - uniform()) ** (-1 / 1.5) : 0);
  const live: Sample[] = [];
  const shadow: Sample[] = [];
  for (let time = 0; time < samples; time++) {
    const change = load * (shared() + (drift * time) / samples);
    live.push({ time, value: 100 + change + liveNoise() + spike() });
    shadow.push({ time, value: 105 + slope * change + shadowNoise() + spike() + (during(time) ? effect : 0) });
  }
  return { live, shadow };
}
