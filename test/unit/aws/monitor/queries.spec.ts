import assert from "node:assert/strict";

import { type SeriesSettings, seriesProblems, seriesQueries } from "../../../../components/aws/monitor/queries";
import { compositeRule, plannedAlarms, ruleProblems } from "../../../../components/aws/monitor/rules";
import { Signal } from "../../../../components/monitor";
import { smallAws, threeZoneAws } from "../../../support/awsTopologies";

const read = (settings: Partial<SeriesSettings> & { signal: string }) =>
  seriesQueries(smallAws, { side: "shadow", pick: "MAX", periodSeconds: 60, ...settings });
const names = (settings: Parameters<typeof read>[0]) =>
  read(settings).map(({ id, metric, expression }) => `${id} ${metric?.metricName ?? expression ?? ""}`);

describe("signals as queries of CloudWatch", () => {
  it("read every signal that there is, of the shadow and where it has one of live and the gap", () => {
    for (const signal of Object.values(Signal)) {
      const target = signal.startsWith("machine.") ? "web-1" : undefined;
      for (const side of ["shadow", "live", "gap"] as const) {
        if (seriesProblems("x", { signal, side, target }, smallAws).length > 0) {
          assert.ok(side !== "shadow", `${signal} of the shadow`);
          continue;
        }
        const queries = read({ signal, side, target });
        const ids = queries.map(({ id }) => id);
        assert.equal(new Set(ids).size, ids.length);
        assert.equal(ids.filter((id) => id === "result").length, 1);
        const used = queries.flatMap(({ expression = "" }) => expression.match(/\b[me]\d+\b/g) ?? []);
        assert.deepEqual(
          used.filter((id) => !ids.includes(id)),
          [],
          `${signal} ${side}`,
        );
        assert.ok(queries.filter(({ metric }) => metric !== undefined).length <= 10);
      }
    }
  });

  it("compare what grows with traffic with the mirrored share of live, and the rest with live itself", () => {
    assert.deepEqual(names({ signal: "machine.network.in", side: "gap", target: "web-1" }), [
      "m1 NetworkIn",
      "m2 NetworkIn",
      "m3 MirrorShare",
      "result (m1/PERIOD(m1)-m3*m2/PERIOD(m2))/(m3*m2/PERIOD(m2))",
    ]);
    assert.equal(
      names({ signal: "machine.network.in", side: "gap", target: "web-1", share: 0.1 }).at(-1),
      "result (m1/PERIOD(m1)-0.1*m2/PERIOD(m2))/(0.1*m2/PERIOD(m2))",
    );
    assert.deepEqual(names({ signal: "machine.memory", side: "gap", target: "web-1" }), [
      "m1 mem_used",
      "m2 mem_used",
      "result (m1-m2)/(m2)",
    ]);
    assert.deepEqual(names({ signal: "app.latency.p95", side: "gap" }), [
      "m1 ShadowLatency",
      "m2 LiveLatency",
      "result (m1-m2)/(m2)",
    ]);
  });

  it("read live by the instance in production, and only it in production's account", () => {
    const queries = read({ signal: "machine.cpu", side: "gap", target: "web-1" });
    const instance = smallAws.machines.find(({ name }) => name === "web-1")!.aws!.id;
    assert.deepEqual(
      queries.map(({ metric, ofProduction }) => [metric?.dimensions[0], ofProduction]),
      [
        [{ name: "InstanceId", machine: "web-1" }, undefined],
        [{ name: "InstanceId", value: instance }, true],
        [{ name: "Shadow", ofShadow: true }, undefined],
        [undefined, undefined],
      ],
    );
  });

  it("take the highest or the lowest of several machines", () => {
    assert.deepEqual(names({ signal: "machine.cpu", target: "web-*", pick: "MIN" }), [
      "m1 CPUUtilization",
      "m2 CPUUtilization",
      "e1 m1",
      "e2 m2",
      "result MIN([e1, e2])",
    ]);
  });
});

describe("rules of a monitor", () => {
  const rule = { name: "High CPU!", signal: "machine.cpu", target: "*", above: 90, forSeconds: 300 };

  it("become one alarm a machine, however many there are, and know their component", () => {
    const alarms = plannedAlarms({ alarms: [rule] }, threeZoneAws, undefined);
    assert.equal(alarms.length, 60);
    assert.deepEqual(
      [alarms[0]!.key, alarms[0]!.component, alarms[0]!.evaluationPeriods],
      ["high-cpu-web-a-1", "web-a-1", 5],
    );
    assert.deepEqual(ruleProblems({ alarms: [rule] }, threeZoneAws), []);
    const [one] = plannedAlarms({ alarms: [{ ...rule, target: "app-1" }] }, smallAws, undefined);
    assert.equal(one!.key, "high-cpu");
    const [service] = plannedAlarms(
      { alarms: [{ name: "errors", signal: "app.errors", above: 0.1 }] },
      smallAws,
      undefined,
    );
    assert.deepEqual([service!.component, service!.evaluationPeriods, service!.severity], ["service", 1, "warning"]);
  });

  it("are refused when names meet, signals lack a machine, or one component would get too many alarms", () => {
    const problems = (alarms: object[]) =>
      ruleProblems({ alarms: alarms as never }, smallAws).map(({ path, reason }) => `${path}: ${reason}`);
    assert.match(
      problems([rule, { ...rule, name: "high-cpu" }])[0]!,
      /^alarms\[1\]\.name: "high-cpu" and "High CPU!" are the same/,
    );
    assert.match(
      problems([{ ...rule, target: undefined }])[0]!,
      /^alarms\[0\]\.target: machine\.cpu is read of machines/,
    );
    assert.match(problems([{ ...rule, name: "!" }])[0]!, /^alarms\[0\]\.name: "!" has no letter or digit/);
    const many = Array.from({ length: 101 }, (_, index) => ({ name: `r${index}`, signal: "app.errors", above: 1 }));
    assert.deepEqual(problems(many), [
      "alarms: gives service 101 alarms; CloudWatch puts at most 100 under one composite alarm",
    ]);
  });

  it("fire by their composite alarm when one fires or has no data", () => {
    assert.equal(
      compositeRule(["a", "b"]),
      'ALARM("a") OR INSUFFICIENT_DATA("a") OR ALARM("b") OR INSUFFICIENT_DATA("b")',
    );
  });
});
