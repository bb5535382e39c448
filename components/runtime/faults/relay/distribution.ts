import type { DelayModel } from "./model";
import { randomFrom } from "../pattern";

/** Delays in milliseconds, never negative, drawn from the model by a seed. */
export function delaysOf(model: DelayModel, seed: number): () => number {
  const { delayMilliseconds, jitterMilliseconds } = model;
  if (jitterMilliseconds === 0) return () => delayMilliseconds;
  const unit = unitSpread(model, randomFrom(seed));
  return () => Math.max(0, delayMilliseconds + jitterMilliseconds * unit());
}

/** Mean 0; standard deviation 1 except for uniform, which spans -1 to 1. */
function unitSpread({ distribution }: DelayModel, random: () => number): () => number {
  const normal = (): number => Math.sqrt(-2 * Math.log(1 - random())) * Math.cos(2 * Math.PI * random());
  const pareto = (): number => paretoUnit(1 - random());
  switch (distribution) {
    case "uniform":
      return () => 2 * random() - 1;
    case "pareto":
      return pareto;
    case "paretonormal":
      return () => (normal() + 3 * pareto()) / Math.sqrt(10);
    case "normal":
      return normal;
  }
}

/** Shape 3, the smallest whole one with a standard deviation; cut off at 8 deviations, as netem's tables are. */
function paretoUnit(uniform: number): number {
  const shape = 3;
  const mean = shape / (shape - 1);
  const deviation = Math.sqrt(shape / ((shape - 1) ** 2 * (shape - 2)));
  return Math.min(8, (uniform ** (-1 / shape) - mean) / deviation);
}
