const largest = 3_600_000_000;

/** How late requests left: microseconds in buckets of less than one per cent each. */
export class LagHistogram {
  /** Requests per bucket; may be handed to another thread. */
  readonly counts = new Uint32Array(25 * 128 + 256);
  private total = 0;

  record(milliseconds: number): void {
    this.counts[bucketOf(Math.min(largest, Math.max(0, Math.round(milliseconds * 1_000))))]!++;
    this.total++;
  }

  /** Takes in what another one has counted. */
  add(counts: Uint32Array): void {
    for (let index = 0; index < counts.length; index++) {
      this.counts[index]! += counts[index]!;
      this.total += counts[index]!;
    }
  }

  /** Milliseconds below which this share of all requests lies; null when there are none. */
  quantile(share: number): number | null {
    if (this.total === 0) return null;
    let left = Math.ceil(this.total * share);
    for (let index = 0; index < this.counts.length; index++) {
      left -= this.counts[index]!;
      if (left <= 0) return middleOf(index) / 1_000;
    }
    return largest / 1_000;
  }
}

function bucketOf(microseconds: number): number {
  if (microseconds < 256) return microseconds;
  const shift = 24 - Math.clz32(microseconds);
  return shift * 128 + (microseconds >>> shift);
}

function middleOf(bucket: number): number {
  if (bucket < 256) return bucket;
  const shift = Math.floor(bucket / 128) - 1;
  return (bucket - shift * 128 + 0.5) * 2 ** shift;
}
