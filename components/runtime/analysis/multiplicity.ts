/**
 * Benjamini-Hochberg q-values: q_i = min over j ≥ i of p_j·M/j in ascending order of p (Benjamini & Hochberg 1995).
 * NaN (no test) stays NaN and counts for nothing.
 */
export function benjaminiHochberg(ps: readonly number[]): number[] {
  const order = Array.from(ps.keys())
    .filter((i) => !Number.isNaN(ps[i]!))
    .sort((i, j) => ps[i]! - ps[j]!);
  const qs = ps.map(() => Number.NaN);
  let smallest = 1;
  for (let position = order.length; position >= 1; position--) {
    const index = order[position - 1]!;
    smallest = Math.min(smallest, (ps[index]! * order.length) / position);
    qs[index] = smallest;
  }
  return qs;
}
