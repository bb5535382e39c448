import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import Ajv2020 from "ajv/dist/2020";
import { Command } from "commander";

import { register } from "../../../../components/runtime/cli/analyse";
import { analysisJsonSchema } from "../../../../components/runtime/report/analysisSchema";
import { ProblemsError } from "../../../../components/internal/problems";
import type { SignalPoint } from "../../../../components/runtime/runner/driver";
import type { Effect } from "../../../../components/runtime/runner/journal";
import { createStore } from "../../../../components/runtime/runner/store";
import type { Sample } from "../../../../components/runtime/analysis";
import { simulate } from "./simulation";

interface Output {
  code: number;
  text: string;
}

/** Runs the command in this process; gives what it printed and its exit code. */
async function run(...args: string[]): Promise<Output> {
  const program = new Command("shadownet").exitOverride();
  register(program);
  const [write, exitCode] = [process.stdout.write.bind(process.stdout), process.exitCode];
  const parts: string[] = [];
  process.exitCode = 0;
  process.stdout.write = (part: string) => parts.push(part) > 0;
  try {
    await program.parseAsync(["node", "shadownet", "analyse", ...args]);
    return { code: process.exitCode, text: parts.join("") };
  } finally {
    process.stdout.write = write;
    process.exitCode = exitCode;
  }
}

/** A recorded run in a folder: 90 s with a fault in the last 30. */
async function writeRun(folder: string): Promise<void> {
  const start = 1_700_000_000_000;
  const { live, shadow } = simulate(3, { samples: 90, phi: 0, effect: 40, during: (second) => second >= 60 });
  const store = createStore(folder);
  const points = (side: "live" | "shadow", samples: Sample[]): SignalPoint[] =>
    samples.map(({ time, value }) => {
      return { signal: "app.latency.p95", target: "service", side, time: start + 1000 * time, value };
    });
  store.add([...points("live", live), ...points("shadow", shadow)]);
  store.close();
  const fault = {
    action: "delay",
    windows: [{ start: start + 60_000, end: start + 90_000 }],
    effect: { counters: {}, proven: true, why: "counted" },
  };
  const experiment = { name: "slow", definition: { actions: {} }, faults: [fault], probes: [], commands: [] };
  const phases = [{ name: "baseline", startedAt: start, endedAt: start + 60_000 }];
  const journal = {
    version: 1,
    id: "r1",
    status: "completed",
    phases,
    events: [],
    alarms: [],
    experiments: [experiment],
  };
  await writeFile(join(folder, "journal.json"), JSON.stringify(journal));
}

describe("shadownet analyse", () => {
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "analyse-"));
    const csv = (side: Sample[]): string => side.map(({ time, value }) => `${time},${value}`).join("\n");
    for (const [name, effect] of [
      ["broken", 6],
      ["fine", 0],
    ] as const) {
      const { live, shadow } = simulate(3, {
        samples: 180,
        phi: 0.5,
        effect,
        during: (second) => second >= 120 && second < 160,
      });
      await writeFile(join(folder, `${name}.live.csv`), csv(live));
      await writeFile(join(folder, `${name}.shadow.csv`), `time,value\n${csv(shadow)}\n`);
    }
  });

  after(() => rm(folder, { recursive: true }));

  const pair = (name: string): string[] => [
    "--live",
    join(folder, `${name}.live.csv`),
    "--shadow",
    join(folder, `${name}.shadow.csv`),
  ];

  it("finds a degradation: documented fields, exit code 1", async () => {
    const { code, text } = await run(...pair("broken"), "--fault", "120-160", "--json");
    assert.equal(code, 1);
    const { verdict, effects } = JSON.parse(text) as { verdict: string; effects: Effect[] };
    assert.equal(verdict, "degraded");
    const [effect] = effects;
    const fields =
      "fault shift low high p q delta spreadP minimumDetectable effectiveSamples onset recovered verdict why";
    for (const field of fields.split(" ")) assert.ok(field in effect!, field);
    assert.equal(effect!.fault, "120-160");
    assert.ok(effect!.low! <= 6 && effect!.high! >= 6);
  });

  it("says it in a sentence, with exit code 0 where nothing degraded", async () => {
    const { code, text } = await run(...pair("fine"), "--fault", "120-160");
    assert.equal(code, 0);
    assert.match(text, /^120-160: pass: no effect of interest: .* interval/);
    assert.doesNotMatch(text, /no effect of interest: [^;,]*\([^)]*effect/);
  });

  it("writes one JSON line per pair of a batch", async () => {
    const { code, text } = await run("--batch", folder, "--fault", "120-160", "--json");
    assert.equal(code, 1);
    const lines = text
      .trim()
      .split("\n")
      .map((line) => JSON.parse(line) as { name: string; verdict: string });
    assert.deepEqual(
      lines.map(({ name, verdict }) => [name, verdict]),
      [
        ["broken", "degraded"],
        ["fine", "pass"],
      ],
    );
  });

  it("prints what its published schema says, for files, batches and recorded runs", async () => {
    const path = join(__dirname, "../../../../components/runtime/report/analysis.schema.json");
    const published = JSON.parse(readFileSync(path, "utf8")) as object;
    assert.deepEqual(published, JSON.parse(JSON.stringify(analysisJsonSchema())));
    const validate = new Ajv2020({ strict: false }).compile(published);
    const accepts = (text: string): void => assert.ok(validate(JSON.parse(text)), JSON.stringify(validate.errors));
    accepts((await run(...pair("broken"), "--fault", "120-160", "--json")).text);
    const batch = await run("--batch", folder, "--fault", "120-160", "--json");
    batch.text.trim().split("\n").forEach(accepts);
    assert.equal(validate({ verdict: "fine", effects: [{}] }), false);
    await writeRun(folder);
    const { text } = await run("--journal", folder, "--json");
    accepts(text);
    const { effects } = JSON.parse(text) as { effects: (Effect & { experiment: string })[] };
    assert.deepEqual([effects[0]?.experiment, effects[0]?.fault], ["slow", "delay"]);
  });

  it("takes several windows as pulses of one fault", async () => {
    const windows = Array.from({ length: 8 }, (_, i) => ["--fault", `${120 + 5 * i}-${122 + 5 * i}`]).flat();
    const { text } = await run(...pair("fine"), "--pulses", ...windows, "--json");
    const { effects } = JSON.parse(text) as { effects: Effect[] };
    assert.equal(effects.length, 1);
    assert.equal(effects[0]!.effectiveSamples, 8);
  });

  it("analyses a recorded run again", async () => {
    await writeRun(folder);
    const { code, text } = await run("--journal", folder);
    assert.equal(code, 1);
    assert.match(text, /run r1: degraded: slow: "delay": response time, 95th percentile changed by \+/);
  });

  it("refuses bad input with every problem at once", async () => {
    const bad = join(folder, "bad.txt");
    await writeFile(bad, "time,value\n1,x\n2\n");
    const refused = async (...args: string[]): Promise<string[]> => {
      try {
        await run(...args);
      } catch (error) {
        if (error instanceof ProblemsError) return error.problems.map(({ path, reason }) => `${path}: ${reason}`);
        throw error;
      }
      return assert.fail("it was accepted");
    };
    const files = await refused("--live", join(folder, "none.csv"), "--shadow", bad, "--fault", "1-2");
    assert.equal(files.length, 3);
    assert.match(files[0]!, /none\.csv: cannot be read/);
    assert.match(files[1]!, /bad\.txt:2: value "x" is not a finite number/);
    assert.match(files[2]!, /bad\.txt:3: 1 fields; give exactly two/);
    const options = await refused("--fault", "9-3", "--margin", "-1", "--live", "x");
    assert.deepEqual(
      options.map((problem) => problem.split(":")[0]),
      ["--shadow", "--live", "--fault[0]", "--margin"],
    );
    const outside = await refused(...pair("fine"), "--fault", "500-600");
    assert.match(outside[0]!, /outside the samples .* from 0 to 179/);
  });
});
