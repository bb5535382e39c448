import assert from "node:assert/strict";

import { phaseLatencies } from "../../../../components/runtime/analysis";
import type { ExchangeSample } from "../../../../components/runtime/gateway/exchange";
import { renderHtml } from "../../../../components/runtime/report/html";
import { syntheticRun } from "../../../support/runs";

/** An exchange that took so many milliseconds on either side; undefined for one that timed out. */
function exchange(start: number, live: number, shadow: number | undefined): ExchangeSample {
  const side = (milliseconds: number | undefined): ExchangeSample["live"] =>
    milliseconds === undefined ? { start, error: "timeout" } : { start, end: start + milliseconds, status: 200 };
  const rest = { flow: "tcp 203.0.113.7:40123>10.80.1.11:80", index: 0, protocol: "http1", lagMilliseconds: 0 };
  return { ...rest, live: side(live), shadow: side(shadow) };
}

describe("response times of whole phases", () => {
  const run = syntheticRun();
  const [experiment] = run.journal.experiments;
  const baseline = run.journal.phases.find(
    ({ name, experiment: of }) => name === "baseline" && of === experiment!.name,
  )!;
  const [fault] = experiment!.faults[0]!.windows;

  it("come from one histogram per phase and side, failures apart", () => {
    const before = Array.from({ length: 100 }, (_, i) => exchange(baseline.startedAt + i, i < 97 ? 10 : 500, 20));
    const during = Array.from({ length: 10 }, (_, i) => exchange(fault!.start + i, 10, i < 4 ? undefined : 80));
    const rows = phaseLatencies(run.journal, [...before, ...during]).get(experiment!.name)!;
    const row = (phase: string, side: string): (typeof rows)[number] =>
      rows.find((found) => found.phase === phase && found.side === side)!;
    const live = row("baseline", "live");
    assert.deepEqual([live.requests, live.failed], [100, 0]);
    const near = (actual: number | null, expected: number): void =>
      assert.ok(Math.abs(actual! / expected - 1) < 0.002, `${actual} is not ${expected}`);
    near(live.p50, 10);
    near(live.p95, 10);
    near(live.p99, 500);
    const broken = row("fault", "shadow");
    assert.deepEqual([broken.requests, broken.failed], [10, 4]);
    near(broken.p50, 80);
    assert.equal(
      rows.some(({ phase }) => phase === "recovery"),
      false,
    );
  });

  it("have no number where nothing was answered, and stand in the report", () => {
    const rows = phaseLatencies(run.journal, [exchange(fault!.start, 10, undefined)]).get(experiment!.name)!;
    assert.equal(rows.find(({ side }) => side === "shadow")!.p50, null);
    experiment!.latencies = rows;
    const html = renderHtml(run);
    assert.match(html, /Response times of all requests/);
    assert.match(html, /fault active/);
  });
});
