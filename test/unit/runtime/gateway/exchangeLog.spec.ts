import assert from "node:assert/strict";

import { Exchange } from "../../../../components/runtime/gateway/compare/exchangeLog";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { quietLog } from "../../../support/captureHarness";

describe("gateway: exchanges under way", () => {
  it("are neither counted nor waited for once they are taken back", () => {
    const stats = newStats(0);
    const log = quietLog(stats);
    const told = (): number[] => [log.size, log.awaited, stats.requests.replayed];
    const [sent, answered] = [0, 1].map((index) => new Exchange("a flow", index, "raw", 0)) as [Exchange, Exchange];
    log.replaying(sent);
    log.replaying(answered);
    log.settle(answered, answered.shadow);
    assert.deepEqual(told(), [2, 1, 2]);
    log.forget(answered);
    log.forget(sent);
    log.forget(sent);
    assert.deepEqual(told(), [0, 0, 0]);
  });

  it("are over when live has not answered for as long as an answer may take, whatever the shadow did", () => {
    const stats = newStats(0);
    const log = quietLog(stats);
    const [silent, early] = [0, 1].map((index) => new Exchange("a flow", index, "http1", 0)) as [Exchange, Exchange];
    for (const [exchange, due] of [
      [silent, 1_000],
      [early, 1_500],
    ] as const) {
      exchange.due = exchange.shadow.start = due;
      log.replaying(exchange);
      log.settle(exchange, exchange.shadow);
    }
    log.expire(1_999);
    assert.equal(log.size, 2);
    log.expire(2_000);
    assert.deepEqual([log.size, silent.live.error, early.live.settled], [1, "timeout", false]);
    assert.deepEqual([stats.requests.answered, stats.compare.liveIncomplete, stats.compare.paired], [2, 1, 0]);
  });
});
