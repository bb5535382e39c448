import { mean, median, sorted } from "./descriptive";
import { fUpperTail } from "./distributions";

/** What a test of spread says. */
export interface SpreadTest {
  f: number;
  p: number;
  /** Mean absolute deviation of the second sample over that of the first. */
  ratio: number;
}

/**
 * Brown-Forsythe test of equal spread (Brown & Forsythe 1974): one-way analysis of variance on |x − group median|, with
 * (1, N−2) degrees of freedom; `tau` > 1 divides F and the sample size for autocorrelated data
 * (take it from {@link effectiveSampleFactor} of the baseline's absolute deviations). p is 1 when nothing varies.
 */
export function brownForsythe(a: readonly number[], b: readonly number[], tau = 1): SpreadTest {
  const [za, zb] = [absoluteDeviations(a), absoluteDeviations(b)];
  const [ma, mb] = [mean(za), mean(zb)];
  const all = mean([...za, ...zb]);
  const between = za.length * (ma - all) ** 2 + zb.length * (mb - all) ** 2;
  const within = squaresAround(za, ma) + squaresAround(zb, mb);
  const ratio = ma > 0 ? mb / ma : mb > 0 ? Infinity : 1;
  if (between === 0) return { f: 0, p: 1, ratio };
  const f = (between / within) * (za.length + zb.length - 2);
  const df = Math.max(2, (za.length + zb.length) / tau - 2);
  return { f, p: fUpperTail(f / tau, 1, df), ratio };
}

/** |x − median| of a sample: what a test of spread looks at. */
export function absoluteDeviations(values: readonly number[]): number[] {
  const centre = median(values);
  return values.map((value) => Math.abs(value - centre));
}

function squaresAround(values: readonly number[], centre: number): number {
  let sum = 0;
  for (const value of values) sum += (value - centre) ** 2;
  return sum;
}

/**
 * Two-sample Kolmogorov-Smirnov test: D, and p exact by counting lattice paths (Hodges 1958) up to 10,000 pairs of
 * samples, else by the asymptotic series (Smirnov 1948). Assumes independent samples.
 */
export function ks2(a: readonly number[], b: readonly number[]): { d: number; p: number } {
  const [sa, sb] = [sorted(a), sorted(b)];
  let [i, j, d] = [0, 0, 0];
  while (i < sa.length && j < sb.length) {
    const value = Math.min(sa[i]!, sb[j]!);
    while (i < sa.length && sa[i] === value) i++;
    while (j < sb.length && sb[j] === value) j++;
    d = Math.max(d, Math.abs(i / sa.length - j / sb.length));
  }
  const exact = sa.length * sb.length <= 10_000;
  return { d, p: exact ? exactKs(sa.length, sb.length, d) : asymptoticKs(sa.length, sb.length, d) };
}

/** Share of the lattice paths from (0,0) to (n,m) that leave the band |i/n − j/m| < d. */
function exactKs(n: number, m: number, d: number): number {
  const edge = d - 1e-9;
  const inside = (i: number, j: number): boolean => Math.abs(i / n - j / m) < edge;
  // Each cell holds the probability that a random path gets there without leaving, so that nothing overflows.
  let row = new Float64Array(m + 1);
  for (let i = 0; i <= n; i++) {
    const next = new Float64Array(m + 1);
    for (let j = 0; j <= m; j++) {
      if (!inside(i, j)) continue;
      if (i === 0 && j === 0) next[j] = 1;
      else next[j] = ((i > 0 ? row[j]! * i : 0) + (j > 0 ? next[j - 1]! * j : 0)) / (i + j);
    }
    row = next;
  }
  return Math.min(1, Math.max(0, 1 - row[m]!));
}

function asymptoticKs(n: number, m: number, d: number): number {
  const scaled = d * Math.sqrt((n * m) / (n + m));
  if (scaled < 0.2) return 1;
  let p = 0;
  for (let k = 1; k <= 100; k++) p += (k % 2 === 1 ? 2 : -2) * Math.exp(-2 * k * k * scaled * scaled);
  return Math.min(1, Math.max(0, p));
}
