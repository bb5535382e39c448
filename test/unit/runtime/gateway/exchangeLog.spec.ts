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
});
