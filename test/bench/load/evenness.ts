import { readFileSync } from "node:fs";

/** How evenly requests arrived: the least and the most in a window, as shares of what the rate asks. */
export interface Evenness {
  /** Requests a second from the first arrival to the last. */
  arrivedPerSecond: number;
  perMillisecond: [least: number, most: number];
  perTenMilliseconds: [least: number, most: number];
  perHundredMilliseconds: [least: number, most: number];
}

/** Reads it from the arrival times that the kernel gave to the packets, in the gateway's samples of one set of clients. */
export function evenness(samplesFile: string, subnet: number, rate: number): Evenness {
  const arrivals: number[] = [];
  for (const line of readFileSync(samplesFile, "latin1").split("\n")) {
    if (!line.includes(`"flow":"tcp 10.${subnet}.`)) continue;
    arrivals.push((JSON.parse(line) as { live: { start: number } }).live.start);
  }
  arrivals.sort((a, b) => a - b);
  const [first = 0, last = 0] = [arrivals[0], arrivals.at(-1)];
  const extremes = (window: number): [number, number] => {
    const counts = new Array<number>(Math.floor((last - first) / window)).fill(0);
    for (const arrival of arrivals) {
      const index = Math.floor((arrival - first) / window);
      if (index < counts.length) counts[index]!++;
    }
    const share = (count: number): number => Number((count / ((rate * window) / 1_000)).toFixed(2));
    return [share(Math.min(...counts)), share(Math.max(...counts))];
  };
  return {
    arrivedPerSecond: Math.round((1_000 * (arrivals.length - 1)) / (last - first)),
    perMillisecond: extremes(1),
    perTenMilliseconds: extremes(10),
    perHundredMilliseconds: extremes(100),
  };
}
