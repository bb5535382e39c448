import { strict as assert } from "node:assert";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { type CommandResult, tryRun } from "../../components/internal/exec";
import type { Journal } from "../../components/runtime/runner/journal";

const root = resolve(__dirname, "../..");
const launcher = join(root, "tools", "bin", "shadownet.mjs");

/** What `npm start` does, in its shorter form, under names of its own so that a lab that is up is left alone. */
describe("the main job, from beginning to end", function () {
  this.timeout(900_000);
  const name = `e2e${process.pid}`;
  let state: string;
  let demo: CommandResult;
  let journal: Journal;

  const shadownet = (...args: string[]): Promise<CommandResult> =>
    tryRun([process.execPath, launcher, ...args], {
      cwd: root,
      env: { SHADOWNET_STATE: state },
      timeoutMilliseconds: 600_000,
    });

  before(async () => {
    state = await mkdtemp(join(tmpdir(), "shadownet-e2e-"));
    demo = await shadownet("demo", "--short", "--stack", name, "--production", name, "--json");
    assert.ok(demo.stdout.startsWith("{"), demo.stderr);
    journal = JSON.parse(demo.stdout) as Journal;
  });

  after(async () => {
    await shadownet("down", "--stack", name);
    await rm(state, { recursive: true, force: true });
    await rm(join(root, `topology-${name}.json`), { force: true });
    if (demo.stdout.startsWith("{")) await rm(join(root, "runs", journal.id), { recursive: true, force: true });
  });

  it("ends well", () => {
    assert.equal(demo.code, 0, demo.stderr);
    assert.equal(journal.status, "completed");
  });

  it("captured what runs, not the file it was built from", async () => {
    const topology = JSON.parse(await readFile(join(root, `topology-${name}.json`), "utf8")) as {
      source: { backEnd: string; id: string };
      machines: { name: string; workload?: { command: string[] } }[];
    };
    assert.equal(topology.source.id, name);
    const machines = topology.machines.map((machine) => machine.name).sort();
    assert.deepEqual(machines, ["app-1", "app-2", "data-1", "data-2", "web-1", "web-2"], "clients are outside");
    assert.equal(topology.machines.find((machine) => machine.name === "web-1")?.workload?.command[0], "nginx");
  });

  it("tried to leave the shadow before the intake was opened", () => {
    const kinds = journal.events.map(({ kind }) => kind);
    const probe = kinds.indexOf("containment-held");
    assert.ok(probe >= 0 && probe < kinds.indexOf("intake-opened"), kinds.join(", "));
  });

  it("carried out three experiments, each fault proven by counters", () => {
    assert.equal(journal.experiments.length, 3);
    const kinds = journal.experiments.flatMap(({ faults }) => faults.map(({ kind }) => kind)).sort();
    assert.deepEqual(kinds, ["latency", "linkDown", "machineCrash"]);
    for (const { faults } of journal.experiments)
      for (const { effect } of faults) assert.equal(effect?.proven, true, effect?.why);
  });

  it("went through the phases in order", () => {
    const phases = journal.phases.map((phase) => phase.name);
    assert.equal(phases[0], "preflight");
    assert.deepEqual(phases.slice(1, 4), ["baseline", "fault", "recovery"]);
    assert.equal(phases.at(-1), "analysis");
  });

  it("replayed the mirrored requests and accounts for every one", () => {
    const { onWire, replayed, lostByMirror, unusable, shed } = journal.coverage!;
    const sum = (counts: Record<string, number>): number => Object.values(counts).reduce((a, b) => a + b, 0);
    assert.ok(onWire > 500, `${onWire} requests`);
    assert.equal(replayed + lostByMirror + sum(unusable) + sum(shed), onWire);
    assert.ok(replayed / onWire > 0.95, `coverage ${replayed / onWire}`);
  });

  it("found that clients notice when the link to the database is down", () => {
    const dbLink = journal.experiments.find((experiment) => experiment.name === "dbLink")!;
    assert.equal(dbLink.verdict, "fail", dbLink.sentence);
    const errors = dbLink.effects.find(({ signal, target }) => signal === "app.errors" && target === "service")!;
    assert.ok(errors.low !== null && errors.low > 0.3, errors.why);
  });

  it("wrote a page, a report, JUnit and Markdown", async () => {
    const folder = join(root, "runs", journal.id);
    const files = await readdir(folder);
    for (const file of ["journal.json", "report.html", "report.json", "junit.xml", "report.md", "samples.sqlite"]) {
      assert.ok(files.includes(file), file);
    }
    const page = await readFile(join(folder, "report.html"), "utf8");
    assert.match(page, /<svg/);
    assert.ok(page.includes(journal.id));
    assert.doesNotMatch(page, /<script|https?:\/\/(?!www\.w3\.org)/, "it loads nothing");
  });

  it("changes nothing when it is brought up again", async () => {
    const again = await shadownet("preview", "--stack", name, "--json");
    assert.equal(again.code, 0, again.stderr);
    const { changeSummary } = JSON.parse(again.stdout) as { changeSummary: Record<string, number> };
    assert.deepEqual(Object.keys(changeSummary), ["same"]);
  });

  it("leaves nothing when it is taken down", async () => {
    const down = await shadownet("down", "--stack", name);
    assert.doesNotMatch(down.stdout, new RegExp(`\\.${name}|shop-${name}`), down.stdout);
    const namespaces = await readdir("/run/netns").catch(() => [] as string[]);
    assert.deepEqual(
      namespaces.filter((namespace) => namespace.includes(name)),
      [],
    );
  });
});
