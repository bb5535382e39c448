import assert from "node:assert/strict";
import { existsSync } from "node:fs";

import { ProblemsError, ShadownetError } from "../../../../components/internal/problems";
import { RunBench, slowApp } from "./support";

describe("bad input of a run", () => {
  let bench: RunBench;
  beforeEach(() => (bench = new RunBench()));
  afterEach(() => bench.remove());

  const refused = async (experiment: ReturnType<typeof slowApp>, patterns: RegExp[]): Promise<void> => {
    await assert.rejects(bench.run({ bad: experiment }), (error: unknown) => {
      assert.ok(error instanceof ProblemsError);
      for (const pattern of patterns) assert.match(error.message, pattern);
      assert.equal(error.problems.length, patterns.length, error.message);
      return true;
    });
    assert.ok(!existsSync(bench.folder), "no journal");
    assert.deepEqual(bench.steps, [], "nothing touched");
  };

  it("names every problem at once", async () => {
    await refused(
      slowApp({
        actions: {
          both: {
            fault: "latency",
            target: { machine: "app-1" },
            delayMilliseconds: 1,
            durationSeconds: 5,
            waitSeconds: 1,
          },
          endless: { fault: "linkDown", target: { machine: "app-1" }, startAfter: ["bth"] },
          nothing: {},
        },
      }),
      [
        /bad\.actions\.both: sets fault and waitSeconds; exactly one/,
        /bad\.actions\.endless\.durationSeconds: a fault needs an end/,
        /bad\.actions\.endless\.startAfter\[0\]: no action "bth".*did you mean "both"/,
        /bad\.actions\.nothing: does nothing/,
      ],
    );
  });

  it("finds actions that wait for each other", async () => {
    const actions = { a: { waitSeconds: 1, startAfter: ["b"] }, b: { waitSeconds: 1, startAfter: ["a"] } };
    await refused(slowApp({ actions }), [/wait for each other in a circle: a → b → a/]);
  });

  it("refuses targets that are not there and parameters that do not fit, with the action's path", async () => {
    await refused(
      slowApp({
        actions: {
          where: { fault: "linkDown", target: { machine: "prod-1" }, durationSeconds: 5 },
          what: { fault: "linkDown", target: { machine: "app-1" }, durationSeconds: 5, delayMilliseconds: 5 },
        },
      }),
      [/bad\.actions\.where\.target: no machine "prod-1"/, /bad\.actions\.what\..*delayMilliseconds/],
    );
  });

  it("refuses what exceeds the blast radius", async () => {
    const all = { fault: "linkDown" as const, target: { machine: "*" }, durationSeconds: 700 };
    await refused(slowApp({ actions: { all } }), [
      /3 of 3 machines would be hit \(web-1, app-1, data-1\), at most 2/,
      /faults would last 700 seconds; 600 are allowed/,
    ]);
    const blastRadius = { machines: 3, links: 1, durationSeconds: 700 };
    await refused(slowApp({ actions: { all }, blastRadius }), [/3 links would be hit .* at most 1/]);
  });

  it("lets only one run use a shadow at a time", async () => {
    const first = bench.run({ slow: slowApp() });
    await assert.rejects(bench.run({ slow: slowApp() }, { folder: `${bench.folder}-2` }), (error: unknown) => {
      assert.ok(error instanceof ShadownetError);
      assert.match(error.message, /"shop" is in use by run run-1 \(process \d+/);
      return true;
    });
    assert.equal((await first).status, "completed");
    assert.equal((await bench.run({ slow: slowApp() }, { folder: `${bench.folder}-2` })).status, "completed");
  });
});

describe("a dry run", () => {
  let bench: RunBench;
  beforeEach(() => (bench = new RunBench()));
  afterEach(() => bench.remove());

  const reads = ["describe", "capabilities", "resolve", "leftovers", "mirror"];

  it("calls nothing at all with `nothing`, but checks the experiments", async () => {
    await bench.run({ slow: slowApp() }, { dryRun: "nothing" });
    assert.deepEqual(bench.driver.calls, []);
    await assert.rejects(bench.run({ slow: slowApp({ actions: { a: {} } }) }, { dryRun: "nothing" }), ProblemsError);
  });

  for (const level of ["reads", "plan"] as const) {
    it(`touches nothing with \`${level}\``, async () => {
      const journal = await bench.run({ slow: slowApp() }, { dryRun: level });
      assert.ok(
        bench.driver.calls.every((call) => reads.includes(call)),
        bench.driver.calls.join(" "),
      );
      assert.ok(!existsSync(bench.folder) && !existsSync(bench.stateFolder));
      const [fault] = journal.experiments[0]!.faults;
      assert.equal(fault!.target, "app-1");
      assert.equal(fault!.commands.length > 0, level === "plan");
      assert.deepEqual(fault!.windows, []);
    });
  }
});
