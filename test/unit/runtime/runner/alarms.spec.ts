import assert from "node:assert/strict";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { AlarmRule } from "../../../../components/monitor";
import { AlarmEngine, type AlarmTransition } from "../../../../components/runtime/runner/alarms";
import type { AlertmanagerMessage } from "../../../../components/runtime/runner/notify";
import { AlarmNotifier } from "../../../../components/runtime/runner/notify";
import { RecentPoints } from "../../../../components/runtime/runner/recent";
import { RunBench, slowApp } from "./support";

const rule: AlarmRule = { name: "errors", signal: "app.errors", above: 0.1, forSeconds: 3, severity: "critical" };

describe("alarms", () => {
  function watch(values: (number | undefined)[], rules = [rule]): { seen: string[]; engine: AlarmEngine } {
    const recent = new RecentPoints();
    const seen: string[] = [];
    const engine = new AlarmEngine(rules, recent, 1, ({ name, state, time }) =>
      seen.push(`${time / 1000} ${name} ${state}`),
    );
    values.forEach((value, index) => {
      const time = index * 1000;
      if (value !== undefined) recent.add([{ signal: "app.errors", target: "service", side: "shadow", time, value }]);
      engine.evaluate(time + 1000);
    });
    return { seen, engine };
  }

  const times = (count: number, value: number | undefined): (number | undefined)[] =>
    Array.from({ length: count }, () => value);

  it("fire only after the threshold held for its time, and resolve when it has not held for a while", () => {
    const { seen } = watch([0, 0.5, 0.5, 0, ...times(4, 0.5), ...times(20, 0)]);
    assert.deepEqual(seen, ["7 errors firing", "23 errors resolved"]);
  });

  it("with a long time fire once while errors come and go, and resolve when it was good for as long", () => {
    const long = { ...rule, forSeconds: 30 };
    const alternating = Array.from({ length: 60 }, (_, index) => (index % 2 === 0 ? 0.5 : 0));
    const { seen } = watch(
      [...alternating, ...times(40, 0.5), ...times(20, 0), ...times(5, 0.5), ...times(60, 0)],
      [long],
    );
    assert.equal(seen.length, 2);
    assert.match(seen[0]!, /^(8[5-9]|9\d) errors firing$/);
    assert.match(seen[1]!, /^1[3-5]\d errors resolved$/);
  });

  it("fire although the newest steps look well because their failures are not known yet", () => {
    const recent = new RecentPoints();
    const seen: string[] = [];
    const engine = new AlarmEngine([rule], recent, 1, ({ state, time }) => seen.push(`${time / 1000} ${state}`));
    const add = (time: number, value: number): void =>
      recent.add([{ signal: "app.errors", target: "service", side: "shadow", time, value }]);
    for (let time = 0; time < 20_000; time += 1000) {
      add(time, 0);
      if (time >= 8000) add(time - 8000, 0.5);
      engine.evaluate(time + 1000);
    }
    assert.deepEqual(seen, ["11 firing"]);
  });

  it("have no data when nothing is measured, which is not the same as all right", () => {
    assert.deepEqual(watch([undefined]).seen, ["1 errors noData"]);
    const { seen } = watch([...times(3, 0.5), ...times(20, undefined)]);
    assert.deepEqual(seen, ["3 errors firing", "18 errors noData"]);
  });

  it("can be acknowledged once, while they fire", () => {
    const { seen, engine } = watch([0.5, 0.5, 0.5]);
    assert.deepEqual(engine.firing, ["errors"]);
    assert.equal(engine.acknowledge("errors", 4000), true);
    assert.equal(engine.acknowledge("errors", 4000), false);
    assert.equal(engine.acknowledge("other", 4000), false);
    engine.evaluate(4000);
    assert.deepEqual(seen, ["3 errors firing", "4 errors acknowledged"]);
    assert.deepEqual(engine.firing, ["errors"]);
  });

  it("watch the gap to live after calibration", () => {
    const recent = new RecentPoints();
    const add = (time: number, live: number, shadow: number): void =>
      recent.add([
        { signal: "app.latency.p95", target: "service", side: "live", time, value: live },
        { signal: "app.latency.p95", target: "service", side: "shadow", time, value: shadow },
      ]);
    for (let time = 0; time < 10_000; time += 1000) add(time, 20, 30);
    recent.calibrate(0, 10_000);
    add(10_000, 25, 55);
    assert.deepEqual(recent.values("app.latency.p95", "service", "gap", 9000, 11_000), [
      { time: 9000, value: 0 },
      { time: 10_000, value: 20 },
    ]);
  });

  it("go into the journal of a run", async () => {
    const bench = new RunBench({ faultErrors: 0.5 });
    try {
      const journal = await bench.run({ slow: slowApp() }, { alarms: [rule] });
      assert.deepEqual(
        journal.alarms.map(({ name, severity, state }) => [name, severity, state]),
        [
          ["errors", "critical", "firing"],
          ["errors", "critical", "resolved"],
        ],
      );
    } finally {
      bench.remove();
    }
  });
});

describe("telling of alarms", () => {
  const transition: AlarmTransition = {
    name: "errors",
    severity: "critical",
    state: "firing",
    time: 5000,
    since: 5000,
    value: 0.5,
    rule,
  };

  it("sends Alertmanager's message to webhooks and to a command, in order", async () => {
    const folder = mkdtempSync(join(tmpdir(), "shadownet-notify-"));
    const got: AlertmanagerMessage[] = [];
    const server = createServer((request, response) => {
      let text = "";
      request.on("data", (bytes: Buffer) => (text += bytes.toString()));
      request.on("end", () => {
        got.push(JSON.parse(text) as AlertmanagerMessage);
        response.end();
      });
    });
    await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
    try {
      const file = join(folder, "messages");
      const url = `http://127.0.0.1:${(server.address() as AddressInfo).port}/hook`;
      const problems: string[] = [];
      const command = ["sh", "-c", `cat >> '${file}'; echo >> '${file}'`];
      const notifier = new AlarmNotifier("shop", { urls: [url], command }, (problem) => problems.push(problem));
      notifier.tell(transition);
      notifier.tell({ ...transition, state: "acknowledged" });
      notifier.tell({ ...transition, state: "resolved", time: 9000, value: 0 });
      await notifier.drain();
      assert.deepEqual(problems, []);
      assert.deepEqual(
        got.map(({ status, version, alerts }) => [version, status, alerts[0]!.startsAt, alerts[0]!.endsAt]),
        [
          ["4", "firing", "1970-01-01T00:00:05.000Z", "0001-01-01T00:00:00Z"],
          ["4", "resolved", "1970-01-01T00:00:05.000Z", "1970-01-01T00:00:09.000Z"],
        ],
      );
      const { labels, annotations } = got[0]!.alerts[0]!;
      assert.deepEqual([labels["alertname"], labels["severity"], labels["network"]], ["errors", "critical", "shop"]);
      assert.equal(annotations["summary"], "shadow app.errors of service above 0.1, now 0.5000");
      const lines = readFileSync(file, "utf8").trim().split("\n");
      assert.deepEqual(
        lines.map((line) => JSON.parse(line) as unknown),
        got,
      );
    } finally {
      await new Promise((resolve) => server.close(resolve));
      rmSync(folder, { recursive: true, force: true });
    }
  });

  it("reports receivers that fail, without the secrets in their address", async () => {
    const problems: string[] = [];
    const urls = ["http://127.0.0.1:9/hook/TOKEN?key=SECRET"];
    const notifier = new AlarmNotifier("shop", { urls, command: ["false"] }, (problem) => problems.push(problem));
    notifier.tell(transition);
    await notifier.drain();
    assert.equal(problems.length, 2);
    assert.ok(problems.some((problem) => problem.startsWith("http://127.0.0.1:9 was not told")));
    assert.ok(problems.every((problem) => !/TOKEN|SECRET/.test(problem)));
  });
});
