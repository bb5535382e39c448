import { MAD_TO_SD, mad, robustSd, variance } from "./descriptive";
import { normalQuantile, studentQuantile } from "./distributions";
import { effectiveDegrees } from "./ranks";

/**
 * Smallest shift found in 80 % of runs: (t_{0.975,df} + z_{0.8})·s·sqrt(tau·(1/n + 1/m)·π/3), s = 1.4826·MAD of the
 * baseline gap; π/3 is the efficiency of the rank test under normality (Hodges & Lehmann 1956). It separates "no effect" from
 * "could not have seen one".
 */
export function minimumDetectableEffect(baselineGap: readonly number[], faultSamples: number, tau: number): number {
  const n = baselineGap.length;
  const scale = MAD_TO_SD * mad(baselineGap) || robustSd(baselineGap);
  const t = studentQuantile(0.975, effectiveDegrees(n, faultSamples, tau));
  return (t + normalQuantile(0.8)) * scale * Math.sqrt((tau * (1 / n + 1 / faultSamples) * Math.PI) / 3);
}

/** The same for k pulses: (t_{0.975,k−1} + z_{0.8})·s/sqrt(k), s = standard deviation of the differences per pulse. */
export function minimumDetectablePulse(differences: readonly number[]): number {
  const k = differences.length;
  return (studentQuantile(0.975, k - 1) + normalQuantile(0.8)) * Math.sqrt(variance(differences) / k);
}

/** The same for a difference of proportions with standard error `error`: (z_{0.975} + z_{0.8})·error. */
export function minimumDetectableRisk(error: number): number {
  return (normalQuantile(0.975) + normalQuantile(0.8)) * error;
}
