import assert from "node:assert/strict";

import { analysePlacebo, analyseRun, falseAlarmRate } from "../../../../components/runtime/analysis";
import type { SignalPoint } from "../../../../components/runtime/runner/driver";
import type {
  Journal,
  JournalExperiment,
  JournalFault,
  RecordedRun,
} from "../../../../components/runtime/runner/journal";
import { generator } from "./simulation";

const origin = 1_700_000_000_000;
const at = (second: number): number => origin + 1000 * second;

function fault(action: string, windows: [number, number][], proven = true): JournalFault {
  return {
    action,
    kind: "latency",
    target: "app-1/eth0",
    mechanism: "relay",
    touches: { machines: ["app-1"], links: ["app-1/eth0"] },
    windows: windows.map(([start, end]) => ({ start: at(start), end: at(end) })),
    effect: { counters: { delayed: 10 }, proven, why: proven ? "10 packets delayed" : "no packet matched" },
    notes: [],
    commands: [],
  };
}

function experiment(faults: JournalFault[], more: Partial<JournalExperiment> = {}): JournalExperiment {
  return {
    name: "slow",
    definition: { actions: {} },
    faults,
    probes: [],
    commands: [],
    effects: [],
    deviated: false,
    ...more,
  };
}

function journal(experiments: JournalExperiment[], more: Partial<Journal> = {}): Journal {
  return {
    version: 1,
    id: "run",
    network: "shop",
    backEnd: "lab",
    status: "completed",
    startedAt: new Date(origin).toISOString(),
    seed: 1,
    command: [],
    versions: {},
    phases: [
      { name: "baseline", experiment: "slow", startedAt: at(0), endedAt: at(40) },
      { name: "fault", experiment: "slow", startedAt: at(40), endedAt: at(60) },
      { name: "recovery", experiment: "slow", startedAt: at(60), endedAt: at(90) },
    ],
    events: [],
    experiments,
    alarms: [],
    ...more,
  };
}

/** What happens to shadow in the second; live has 12 ms, no errors, 40 requests per second. */
interface Impact {
  latency?: (second: number) => number | undefined;
  errors?: (second: number) => number;
  requests?: (second: number) => number;
}

function points(impact: Impact = {}, seed = 1): SignalPoint[] {
  const { normal } = generator(seed);
  const all: SignalPoint[] = [];
  for (let second = 0; second < 90; second++) {
    const add = (signal: string, side: "live" | "shadow", value: number, target = "service"): void => {
      all.push({ signal, target, side, time: at(second), value });
    };
    const load = 1 + 0.05 * Math.sin(second / 9);
    const extra = impact.latency ? impact.latency(second) : 0;
    add("app.latency.p95", "live", 12 * load * Math.exp(0.05 * normal()));
    if (extra !== undefined) add("app.latency.p95", "shadow", 14 * load * Math.exp(0.05 * normal()) + extra);
    const requests = Math.max(1, Math.round(40 * load + 3 * normal()));
    add("app.requests", "live", requests);
    add("app.requests", "shadow", impact.requests ? impact.requests(requests) : requests);
    add("app.errors", "live", 0);
    add("app.errors", "shadow", impact.errors ? impact.errors(second) : 0);
    add("machine.cpu", "live", 20 + normal(), "app-1");
    add("machine.cpu", "shadow", 22 + normal(), "app-1");
    add("machine.cpu", "shadow", 5 + 0.5 * normal(), "app-3");
    add("mirror.loss", "shadow", 0);
  }
  return all;
}

const inFault = (second: number): boolean => second >= 40 && second < 60;
const run = (record: Journal, samples = points()): RecordedRun => ({ journal: record, points: samples });

describe("analysis of a recorded run", () => {
  it("finds 20 ms at the right size, onset and recovery, and says so for effect, experiment and run", () => {
    const samples = points({ latency: (second) => (inFault(second) ? 20 : 0) });
    const analysis = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])]), samples));
    const [only] = analysis.experiments;
    const latency = only!.effects.find(({ signal }) => signal === "app.latency.p95")!;
    assert.ok(latency.low! <= 20 && latency.high! >= 20, `${latency.low} to ${latency.high}`);
    assert.ok(Math.abs(latency.onset!) <= 2, `onset ${latency.onset}`);
    assert.ok(latency.recovered !== null && latency.recovered <= 3);
    assert.ok(Math.abs(latency.area! - 400) < 60, `area ${latency.area}`);
    assert.equal(latency.unit, "ms");
    assert.equal(latency.verdict, "degraded");
    assert.equal(analysis.verdict, "degraded");
    assert.match(analysis.sentence, /slow: "delay": response time, 95th percentile changed by \+\d/);
    assert.ok(!only!.effects.some(({ signal }) => signal.startsWith("mirror.")));
    const scaled = only!.effects.find(({ target }) => target === "app-3")!;
    assert.match(scaled.why, /compared with its own baseline only: no live side/);
  });

  it("passes only with a proven fault and everything within the margin", () => {
    const quiet = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])])));
    assert.equal(quiet.verdict, "pass", quiet.sentence);
    const unproven = analyseRun(run(journal([experiment([fault("delay", [[40, 60]], false)])])));
    assert.deepEqual([unproven.verdict, unproven.invalid], ["inconclusive", true]);
    assert.match(unproven.sentence, /not proven to have happened: no packet matched/);
    const coverage = { onWire: 100, replayed: 60, lostByMirror: 40, unusable: {}, shed: {}, coverage: 0.6 };
    const thin = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])], { coverage })));
    assert.deepEqual([thin.verdict, thin.invalid], ["inconclusive", true]);
    assert.match(thin.sentence, /only 60.0 % of the selected requests/);
    const seenOnly = { ...coverage, replayed: 99, lostByMirror: 1, coverage: 0.99 };
    const blind = analyseRun(
      run(
        journal([experiment([fault("delay", [[40, 60]])])], {
          coverage: { ...seenOnly, unseen: 100, coverageAtLeast: 0.495 },
        }),
      ),
    );
    assert.deepEqual([blind.verdict, blind.invalid], ["inconclusive", true]);
    assert.match(blind.sentence, /only 49.5 % of [^]* when the 100 packets that the gateway's kernel dropped unseen/);
    const known = { ...seenOnly, unseen: 1, coverageAtLeast: 99 / 101 };
    const fine = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])], { coverage: known })));
    assert.deepEqual([fine.verdict, fine.invalid], ["pass", false]);
  });

  it("lets errors carry the effect where latency is missing because requests time out", () => {
    const samples = points({
      latency: (second) => (inFault(second) ? undefined : 0),
      errors: (second) => (inFault(second) ? 1 : 0),
    });
    const analysis = analyseRun(run(journal([experiment([fault("cut", [[40, 60]])])]), samples));
    const of = (signal: string) => analysis.experiments[0]!.effects.find((effect) => effect.signal === signal)!;
    assert.equal(of("app.latency.p95").verdict, "inconclusive");
    assert.match(of("app.latency.p95").why, /no request succeeded in the shadow during the fault.*see the errors/);
    const errors = of("app.errors");
    assert.equal(errors.verdict, "degraded");
    assert.equal(errors.shift, 1);
    assert.ok(errors.p! < 1e-50);
    assert.equal(errors.onset, 0);
    assert.equal(errors.recovered, 0);
    assert.match(analysis.sentence, /failed requests changed by \+100 pp/);
  });

  it("does not call a handful of errors an effect", () => {
    const samples = points({ errors: (second) => (second === 45 ? 1 / 40 : 0) });
    const [only] = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])]), samples)).experiments;
    assert.notEqual(only!.effects.find(({ signal }) => signal === "app.errors")!.verdict, "degraded");
  });

  it("fails on a broken hypothesis, a stop condition and a missed objective, and says which", () => {
    const faults = [fault("delay", [[40, 60]])];
    const probe = { name: "fast", when: "during" as const, value: 90, ok: false, why: "90 ms is above 50 ms" };
    const broken = analyseRun(run(journal([experiment(faults, { probes: [probe] })])));
    assert.equal(broken.verdict, "fail");
    assert.match(broken.sentence, /probe "fast" during the fault: 90 ms is above 50 ms/);
    const events = [{ time: at(50), kind: "stop-condition", message: "app.errors above 0.5 for 5 s" }];
    const stopped = analyseRun(run(journal([experiment(faults)], { events })));
    assert.equal(stopped.verdict, "fail");
    assert.match(stopped.sentence, /stop condition fired: app\.errors above 0\.5/);
    const commands = [{ action: "failover", machine: "db-2", exitCode: 0, seconds: 90, withinObjective: false }];
    assert.match(
      analyseRun(run(journal([experiment(faults, { commands })]))).sentence,
      /"failover" was missed on db-2: 90 s/,
    );
    const early = analyseRun(run(journal([experiment(faults, { probes: [{ ...probe, when: "before" }] })])));
    assert.equal(early.verdict, "inconclusive");
  });

  it("says that the steady state did not hold rather than that no fault was carried out", () => {
    const probes = [{ name: "fast", when: "before" as const, value: 90, ok: false, why: "90 ms is above 50 ms" }];
    const definition = { actions: { delay: { fault: "latency" as const, target: { machine: "app-1" } } } };
    const { verdict, invalid, sentence } = analyseRun(run(journal([experiment([], { definition, probes })])));
    assert.deepEqual([verdict, invalid], ["inconclusive", false]);
    assert.match(sentence, /steady state did not hold before the fault, so nothing was broken: probe "fast": 90 ms/);
  });

  it("passes when only machines felt it, and names them", () => {
    const busy = points().map((point) =>
      point.signal === "machine.cpu" && point.target === "app-1" && point.side === "shadow"
        ? { ...point, value: point.value + (inFault((point.time - origin) / 1000) ? 30 : 0) }
        : point,
    );
    const { verdict, sentence } = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])]), busy));
    assert.equal(verdict, "pass", sentence);
    assert.match(sentence, /all 3 signals of the service stayed within.*changed on machines: processor of app-1 \(\+1/);
    const machinesAlone = busy.filter(({ signal }) => signal.startsWith("machine."));
    const alone = analyseRun(run(journal([experiment([fault("delay", [[40, 60]])])]), machinesAlone));
    assert.equal(alone.verdict, "degraded", "where no request was measured, machines decide");
  });

  it("says in a word how the other experiments ended", () => {
    const faults = [fault("delay", [[40, 60]])];
    const probes = [{ name: "fast", when: "during" as const, value: 90, ok: false, why: "90 ms is above 50 ms" }];
    const three = [
      experiment([fault("idle", [[40, 60]], false)], { name: "idle" }),
      experiment(faults, { name: "broken", probes }),
      experiment(faults, { name: "fine" }),
    ];
    const { phases } = journal([]);
    const each = three.flatMap(({ name }) => phases.map((phase) => ({ ...phase, experiment: name })));
    const { verdict, sentence, invalid } = analyseRun(run(journal(three, { phases: each })));
    assert.deepEqual([verdict, invalid], ["fail", true]);
    assert.match(
      sentence,
      /^broken: the hypothesis is broken.*\. Of 3 experiments fail: broken; inconclusive: idle, fine$/,
    );
  });

  it("shows how the effect grows with the strength of a fault", () => {
    const doses = { weak: 10, middle: 20, strong: 40, utter: 80 };
    const windows = (i: number): [number, number] => [40 + 12 * i, 50 + 12 * i];
    const names = Object.keys(doses) as (keyof typeof doses)[];
    const latency = (second: number): number => {
      const name = names.find((_, i) => second >= windows(i)[0] && second < windows(i)[1]);
      return name === undefined ? 0 : doses[name];
    };
    const actions = Object.fromEntries(
      names.map((name) => [
        name,
        {
          fault: "latency" as const,
          target: { link: "app-1/eth0" },
          delayMilliseconds: doses[name],
          durationSeconds: 10,
        },
      ]),
    );
    const faults = names.map((name, i) => fault(name, [windows(i)]));
    const [only] = analyseRun(
      run(journal([experiment(faults, { definition: { actions } })]), points({ latency })),
    ).experiments;
    const dose = only!.doses.find(({ signal }) => signal === "app.latency.p95")!;
    assert.deepEqual(dose.strengths, [10, 20, 40, 80]);
    assert.ok(Math.abs(dose.slope - 1) < 0.1, `${dose.slope} ms per ms`);
    assert.equal(dose.tau, 1);
    assert.equal(dose.parameter, "delayMilliseconds");
    const twice = { weak: actions["weak"]!, strong: actions["strong"]! };
    const few = experiment(faults.slice(0, 2), { definition: { actions: twice } });
    assert.deepEqual(analyseRun(run(journal([few]), points({ latency }))).experiments[0]!.doses, []);
  });

  it("tests eight pulses exactly", () => {
    const windows = Array.from({ length: 8 }, (_, i): [number, number] => [40 + 4 * i, 42 + 4 * i]);
    const on = (second: number): boolean => windows.some(([start, end]) => second >= start && second < end);
    const samples = points({ latency: (second) => (on(second) ? 80 : 0) });
    const [only] = analyseRun(run(journal([experiment([fault("delay", windows)])]), samples)).experiments;
    const latency = only!.effects.find(({ signal }) => signal === "app.latency.p95")!;
    assert.equal(latency.p, 0.0078125);
    assert.equal(latency.effectiveSamples, 8);
    assert.equal(latency.verdict, "degraded");
    assert.ok(latency.low! > 70 && latency.high! < 90);
  });

  it("does not attribute faults that overlap, but does not lose their joint effect", () => {
    const samples = points({ latency: (second) => (inFault(second) ? 40 : 0) });
    const both = [fault("one", [[40, 60]]), fault("two", [[45, 58]])];
    const analysis = analyseRun(run(journal([experiment(both)]), samples));
    const latency = analysis.experiments[0]!.effects.filter(({ signal }) => signal === "app.latency.p95");
    assert.deepEqual(
      latency.map(({ verdict }) => verdict),
      ["inconclusive", "inconclusive"],
    );
    assert.equal(analysis.verdict, "degraded");
    assert.match(analysis.sentence, /not attributed to one of them/);
  });

  it("is pure, and survives a run without samples or experiments", () => {
    const record = run(journal([experiment([fault("delay", [[40, 60]])])]));
    const before = JSON.stringify(record);
    assert.deepEqual(analyseRun(record), analyseRun(record));
    assert.equal(JSON.stringify(record), before);
    assert.equal(analyseRun({ journal: record.journal, points: [] }).verdict, "noData");
    assert.equal(analyseRun(run(journal([]))).verdict, "noData");
    const cut = journal([experiment([fault("delay", [[40, 60]])])], { status: "interrupted", statusReason: "killed" });
    assert.match(analyseRun(run(cut)).sentence, /the run was cut: killed/);
  });

  it("calibrates on runs without a fault", () => {
    const effects = Array.from({ length: 40 }, (_, i) =>
      analysePlacebo(run(journal([experiment([])]), points({}, i + 1))),
    ).flat();
    const byP = falseAlarmRate(effects, "p");
    const byVerdict = falseAlarmRate(effects);
    assert.equal(byP.judged, effects.length);
    assert.ok(byP.rate <= 0.1, `${byP.rate}`);
    assert.ok(byVerdict.alarms <= 2, `${byVerdict.alarms}`);
    assert.ok(byP.low <= byP.rate && byP.rate <= byP.high);
  });
});
