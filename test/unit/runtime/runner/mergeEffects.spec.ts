import assert from "node:assert/strict";

import type { DirectionEffect, FaultEffect } from "../../../../components/runtime/faults/plan";
import { mergeEffects } from "../../../../components/runtime/runner/activeFaults";

const way = (asked: number, measured: number, proven = true): DirectionEffect => ({
  asked,
  measured,
  unit: "%",
  proven,
  why: `${measured} of ${asked}`,
});

function windowOf(egress: DirectionEffect, ingress: DirectionEffect): FaultEffect {
  const proven = egress.proven && ingress.proven;
  return { counters: { matchedEgress: 10 }, proven, why: "both", directions: { egress, ingress } };
}

describe("one effect for all windows of a fault", () => {
  it("averages each direction by itself and is proven when every window proved it", () => {
    const merged = mergeEffects([windowOf(way(5, 4), way(20, 22)), windowOf(way(5, 6), way(20, 18))])!;
    assert.deepEqual(merged.counters, { matchedEgress: 20 });
    assert.equal(merged.proven, true);
    assert.deepEqual([merged.directions!.egress.measured, merged.directions!.ingress.measured], [5, 20]);
  });

  it("says in which direction a window proved nothing", () => {
    const merged = mergeEffects([windowOf(way(5, 4), way(20, 0, false)), windowOf(way(5, 6), way(20, 18))])!;
    assert.equal(merged.proven, false);
    assert.equal(merged.directions!.egress.proven, true);
    assert.deepEqual(
      [merged.directions!.ingress.proven, merged.directions!.ingress.why],
      [false, "proven in 1 of 2 windows; 0 of 20"],
    );
  });

  it("has no directions where none were asked for", () => {
    const merged = mergeEffects([{ counters: {}, asked: 5, measured: 4, proven: true, why: "" }])!;
    assert.equal("directions" in merged, false);
    assert.equal(merged.measured, 4);
  });
});
