import assert from "node:assert/strict";

import fc from "fast-check";

import { ProblemsError } from "../../../../components/internal/problems";
import { exportChaosToolkit, importChaosToolkit } from "../../../../components/runtime/runner/chaosToolkit";
import { RunBench, slowApp } from "./support";

const mesh = (func: string, more: object): object => ({
  type: "python",
  module: "chaosk8s.chaosmesh.network.actions",
  func,
  arguments: { name: "fault", ns: "shop", label_selectors: "app=web", ...more },
});

const document = {
  title: "the shop survives a slow database",
  description: "written for Chaos Toolkit",
  "steady-state-hypothesis": {
    title: "customers can buy",
    probes: [
      { type: "probe", name: "shop answers", tolerance: 200, provider: { type: "http", url: "http://shop/" } },
      { type: "probe", name: "p95", tolerance: [0, 400], provider: { type: "python", module: "m", func: "f" } },
      { type: "probe", name: "pods", tolerance: true, provider: { type: "python", module: "m", func: "f" } },
    ],
  },
  method: [
    {
      type: "action",
      name: "slow down",
      provider: mesh("add_latency", { latency: "90ms", jitter: "0.01s", direction: "both" }),
      pauses: { before: 5, after: 30 },
    },
    { type: "action", name: "take back", provider: mesh("delete_network_fault", {}) },
    { type: "action", name: "lose", provider: mesh("set_loss", { loss: "2.5", correlation: "25" }) },
  ],
  rollbacks: [{ type: "action", name: "take back", provider: mesh("delete_network_fault", {}) }],
};

describe("Chaos Toolkit experiments", () => {
  const targets = { "slow down": { link: "data-1/eth0" }, lose: { machine: "app-1" } };

  it("become experiments of the same steps, with what differs said in notes", () => {
    const { experiment, notes } = importChaosToolkit(document, { targets, signals: { p95: "app.latency.p95" } });
    assert.deepEqual(experiment, {
      title: "the shop survives a slow database",
      actions: {
        "slow-down-pause-before": { waitSeconds: 5 },
        "slow-down": {
          fault: "latency",
          direction: "both",
          delayMilliseconds: 90,
          jitterMilliseconds: 10,
          target: { link: "data-1/eth0" },
          durationSeconds: 30,
          startAfter: ["slow-down-pause-before"],
        },
        lose: {
          fault: "packetLoss",
          direction: "egress",
          percent: 2.5,
          target: { machine: "app-1" },
          durationSeconds: 60,
          startAfter: ["slow-down"],
        },
      },
      hypothesis: {
        title: "customers can buy",
        probes: [
          { name: "shop answers", signal: "app.errors", tolerance: { maximum: 0.01 } },
          { name: "p95", signal: "app.latency.p95", tolerance: { minimum: 0, maximum: 400 } },
        ],
      },
    });
    assert.equal(notes.length, 6);
    assert.ok(notes.some((note) => /probe pods is left out: no signal/.test(note)));
    assert.ok(notes.some((note) => /correlation of 25 is left out/.test(note)));
  });

  it("can be run", async () => {
    const { experiment } = importChaosToolkit(document, { targets });
    const bench = new RunBench();
    try {
      const journal = await bench.run({ imported: { ...experiment, analysis: { baselineSeconds: 20 } } });
      assert.equal(journal.status, "completed");
      assert.equal(bench.driver.everStarted.length, 2);
    } finally {
      bench.remove();
    }
  });

  it("are refused with every step that has no counterpart or no target", () => {
    const method = [
      ...document.method,
      {
        type: "action",
        name: "drain",
        provider: { type: "python", module: "chaosk8s.node.actions", func: "drain_nodes" },
      },
      { type: "action", name: "script", provider: { type: "process", path: "/bin/true" } },
    ];
    assert.throws(
      () => importChaosToolkit({ ...document, method }),
      (error: unknown) => {
        assert.ok(error instanceof ProblemsError);
        assert.deepEqual(
          error.problems.map(({ path }) => path),
          ["method[0].provider.arguments", "method[2].provider.arguments", "method[3].provider", "method[4].provider"],
        );
        assert.match(error.message, /chaosk8s\.node\.actions\.drain_nodes has no counterpart in a shadow/);
        return true;
      },
    );
    assert.throws(() => importChaosToolkit({ title: "no method" }), /method: missing/);
    assert.throws(() => importChaosToolkit({ title: "empty", method: [] }), /nothing in it that can be carried out/);
  });

  it("carry our own experiments there and back unchanged, values of each direction too", () => {
    const experiment = slowApp({ stopConditions: [{ signal: "app.errors", above: 0.2 }], title: "slow" });
    experiment.actions["apart"] = {
      fault: "packetLoss",
      target: { machine: "app-1" },
      egress: { percent: 5 },
      ingress: { burstP: 0.1, burstR: 0.5 },
      durationSeconds: 5,
    };
    const exported = JSON.parse(JSON.stringify(exportChaosToolkit("slowApp", experiment))) as Record<string, unknown>;
    assert.deepEqual(importChaosToolkit(exported), { experiment, notes: [] });
    assert.deepEqual(Object.keys(exported).sort(), [
      "description",
      "extensions",
      "method",
      "rollbacks",
      "tags",
      "title",
      "version",
    ]);
    exported["extensions"] = [{ name: "shadownet", experiment: { actions: { a: { fault: "latncy" } } } }];
    assert.throws(() => importChaosToolkit(exported), /extensions\.shadownet\.experiment\.actions\.a\.fault.*latency/);
  });

  it("never make the import fail in any other way than by saying what is wrong", () => {
    fc.assert(
      fc.property(fc.jsonValue(), fc.jsonValue(), (method, provider) => {
        for (const value of [
          method,
          { ...document, method },
          { ...document, method: [{ type: "action", name: "a", provider }] },
        ]) {
          try {
            importChaosToolkit(value, { targets: { a: { machine: "app-1" } } });
          } catch (error) {
            assert.ok(error instanceof ProblemsError, String(error));
          }
        }
      }),
      { numRuns: 500 },
    );
  });
});
