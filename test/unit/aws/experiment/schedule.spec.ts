import assert from "node:assert/strict";

import { plannedSchedule, scheduleProblems } from "../../../../components/aws/experiment/schedule";

describe("schedules for EventBridge", () => {
  const expressions: [string, string][] = [
    ["0 3 * * *", "cron(0 3 * * ? *)"],
    ["*/15 * * * *", "cron(0,15,30,45 * * * ? *)"],
    ["0 9-17/4 * * *", "cron(0 9,13,17 * * ? *)"],
    ["30 2 1,15 * *", "cron(30 2 1,15 * ? *)"],
    ["0 3 * * 1-5", "cron(0 3 ? * 2,3,4,5,6 *)"],
    ["0 3 * * 0", "cron(0 3 ? * 1 *)"],
    ["0 3 * * 7", "cron(0 3 ? * 1 *)"],
    ["0 3 * * 5-7", "cron(0 3 ? * 6,7,1 *)"],
    ["0 3 * * mon-fri", "cron(0 3 ? * MON-FRI *)"],
    ["0 3 * jan *", "cron(0 3 * JAN ? *)"],
  ];
  for (const [cron, expected] of expressions) {
    it(`${cron} is ${expected}`, () => assert.equal(plannedSchedule({ cron }).expression, expected));
  }

  it("rates are in the number that AWS wants", () => {
    assert.equal(plannedSchedule({ rate: "1 hours" }).expression, "rate(1 hour)");
    assert.equal(plannedSchedule({ rate: "10 minute" }).expression, "rate(10 minutes)");
  });

  it("a random delay becomes a window of whole minutes, the time zone stays", () => {
    const { timeZone, windowMinutes } = plannedSchedule({
      cron: "0 3 * * *",
      timeZone: "Europe/Berlin",
      jitterSeconds: 90,
    });
    assert.deepEqual([timeZone, windowMinutes], ["Europe/Berlin", 2]);
  });

  const refused: [object, number, RegExp][] = [
    [{ rate: "5 minutes" }, 400, /^schedule.rate: starts every 300 s, but a run takes up to 400 s/],
    [
      { cron: "*/10 * * * *", jitterSeconds: 300 },
      400,
      /^schedule.cron: starts every 600 s, but a run takes up to 700 s/,
    ],
    [{ cron: "0 3 1 * 1" }, 60, /^schedule.cron: .* EventBridge takes one of them/],
    [{ cron: "61 3 * * *" }, 60, /^schedule.cron: .* is no cron expression/],
    [{ rate: "1 day", jitterSeconds: 90_000 }, 60, /^schedule.jitterSeconds: .* at most 86400 s/],
  ];
  for (const [schedule, seconds, expected] of refused) {
    it(`${JSON.stringify(schedule)} is refused for runs of ${seconds} s`, () => {
      const [first] = scheduleProblems(schedule, seconds).map(({ path, reason }) => `${path}: ${reason}`);
      assert.match(first ?? "", expected);
    });
  }

  it("a schedule with enough time between runs is taken", () => {
    assert.deepEqual(scheduleProblems({ cron: "0 * * * *", jitterSeconds: 60 }, 3000), []);
    assert.deepEqual(scheduleProblems(undefined, 1e9), []);
  });
});
