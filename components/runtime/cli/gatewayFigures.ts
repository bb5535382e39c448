import type { GatewayStats } from "../gateway/stats";

/** The counters that tell how it goes, in one line. */
export function figures({ requests, flows, compare }: GatewayStats): string {
  const failed = Object.values(requests.failed).reduce((sum, value) => sum + value, 0);
  return [
    `${count(requests.onWire)} requests`,
    `coverage ${coverageOf(requests)}`,
    `${count(requests.answered)} answered`,
    `${count(failed)} failed`,
    `${count(compare.different)} of ${count(compare.paired - compare.overlapping)} answers differ`,
    `${count(flows.open)} flows open`,
  ].join(", ");
}

/** Why not every request was carried, answered and compared: a line for each, as far as there is something to say. */
export function reasons({ requests, compare }: GatewayStats): string[] {
  const { lostByMirror, unusable, shed, failed } = requests;
  const { liveIncomplete, overlapping } = compare;
  const lines: [string, Record<string, number>][] = [
    ["not carried", { lostByMirror, ...unusable, ...shed }],
    ["failed", failed],
    ["not compared", { liveIncomplete, overlapping }],
  ];
  return lines.flatMap(([what, counts]) => {
    const causes = Object.entries(counts).filter(([, value]) => value > 0);
    return causes.length === 0
      ? []
      : [`${what}: ${causes.map(([name, value]) => `${count(value)} ${name}`).join(", ")}`];
  });
}

function count(value: number): string {
  return value.toLocaleString("en-US");
}

function coverageOf({ coverage, coverageAtLeast }: GatewayStats["requests"]): string {
  const percent = (share: number): string => `${(share * 100).toFixed(2)} %`;
  const most = percent(coverage);
  const least = percent(coverageAtLeast ?? coverage);
  return least === most ? most : `${most} of what was seen, at least ${least} of all`;
}
