import { strict as assert } from "node:assert";

import { figures, reasons } from "../../../../components/runtime/cli/gatewayFigures";
import { newStats, sumRequests } from "../../../../components/runtime/gateway/stats";

describe("the gateway's words", () => {
  it("say nothing but figures where all went well", () => {
    const stats = newStats(0);
    stats.requests.replayed = stats.requests.answered = stats.compare.paired = 1_200;
    sumRequests(stats);
    assert.equal(
      figures(stats),
      "1,200 requests, coverage 100.00 %, 1,200 answered, 0 failed, 0 of 1,200 answers differ, 0 flows open",
    );
    assert.deepEqual(reasons(stats), []);
  });

  it("say why requests were not carried, not answered and not compared", () => {
    const stats = newStats(0);
    const { requests, compare } = stats;
    Object.assign(requests, { replayed: 6, answered: 4, lostByMirror: 2 });
    Object.assign(requests.unusable, { sessionLost: 3 });
    Object.assign(requests.shed, { lag: 9 });
    Object.assign(requests.failed, { refused: 2 });
    Object.assign(compare, { paired: 3, liveIncomplete: 1 });
    stats.intake.kernelDrops = 0;
    sumRequests(stats);
    assert.match(figures(stats), /coverage 30\.00 %, 4 answered, 2 failed/);
    assert.deepEqual(reasons(stats), [
      "not carried: 2 lostByMirror, 3 sessionLost, 9 lag",
      "failed: 2 refused",
      "not compared: 1 liveIncomplete",
    ]);
  });

  it("name both bounds of coverage where packets went by unseen", () => {
    const stats = newStats(0);
    Object.assign(stats.requests, { replayed: 50 });
    stats.intake.kernelDrops = 50;
    sumRequests(stats);
    assert.match(figures(stats), /coverage 100\.00 % of what was seen, at least 50\.00 % of all/);
  });
});
