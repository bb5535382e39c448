import assert from "node:assert/strict";

import type { AlarmRule } from "../../../../components/monitor";
import { StandingWatch } from "../../../../components/runtime/runner/standingWatch";
import { FakeDriver } from "../../../support/fakeDriver";
import { VirtualClock } from "../../../support/virtualClock";

describe("watching alarms without a run", () => {
  it("fires on the shadow and on the gap to the first minute, and stops sampling when told to", async () => {
    const clock = new VirtualClock();
    const driver = new FakeDriver(clock, { faultErrors: 0.5 });
    driver.intakeOpen = true;
    const plan = { fault: { delayMilliseconds: 100 } };
    const start = clock.now();
    void clock.sleep(90_000).then(() => driver.active.set("fault", plan as never));
    void clock.sleep(110_000).then(() => driver.active.clear());
    const controller = new AbortController();
    void clock.sleep(150_000).then(() => controller.abort());
    const rules: AlarmRule[] = [
      { name: "errors", signal: "app.errors", above: 0.2, forSeconds: 5 },
      { name: "slow", signal: "app.latency.p50", side: "gap", above: 50, forSeconds: 5 },
    ];
    const seen: [string, string, number][] = [];
    const onTransition = ({ name, state, time }: { name: string; state: string; time: number }): void =>
      void seen.push([name, state, (time - start) / 1000]);
    await new StandingWatch({ driver, rules, signal: controller.signal, clock, onTransition }).run();
    const fired = seen.filter(([, state]) => state === "firing");
    assert.deepEqual(fired.map(([name]) => name).sort(), ["errors", "slow"]);
    assert.ok(fired.every(([, , at]) => at >= 93 && at <= 100));
    assert.equal(seen.filter(([, state, at]) => state === "resolved" && at >= 110 && at <= 125).length, 2);
    assert.equal(driver.calls.at(-1), "stopSampling");
  });
});
