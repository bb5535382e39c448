import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Experiment, FaultTarget } from "../../../components/experiment";
import { validateExperiment } from "../../../components/validation/experiment";
import { type Problem, ProblemsError } from "../../../components/internal/problems";
import { linkNames, resolveTarget } from "../../../components/lab/resolve";
import { randomFrom } from "../../../components/runtime/faults/pattern";
import type { ResolvedTarget } from "../../../components/runtime/faults/plan";
import type { ShadowDescription } from "../../../components/runtime/runner/driver";
import { runExperiments } from "../../../components/runtime/runner/run";
import { readTopology } from "../../../components/topologySchema";
import { FakeDriver } from "../../support/fakeDriver";
import { VirtualClock } from "../../support/virtualClock";

const seed = Number(process.env.FUZZ_SEED ?? 4711);
const files = 500;
const topology = readTopology(`${__dirname}/../../../examples/lab/production.json`);

/** Right files that together use every part of the language. */
const originals: Experiment[] = [
  {
    title: "the link to the database",
    hypothesis: { probes: [{ name: "few errors", signal: "app.errors", tolerance: { maximum: 0.1 } }] },
    actions: {
      cut: { fault: "linkDown", target: { link: "data-1/eth0" }, durationSeconds: 10 },
      rest: { waitSeconds: 5, startAfter: ["cut"] },
      look: { probe: { name: "ok", signal: "app.latency.p95", tolerance: { minimum: 0 } }, startAfter: ["rest"] },
      step: { command: ["true"], target: { machine: "web-1" }, objectiveSeconds: 3 },
    },
    stopConditions: [{ signal: "app.errors", side: "gap", above: 0.9, forSeconds: 3 }],
    blastRadius: { machines: 2, percent: 60, links: 3, durationSeconds: 120 },
    schedule: { cron: "0 3 * * 1-5", timeZone: "Europe/Berlin", jitterSeconds: 30 },
  },
  {
    actions: {
      slow: {
        fault: "latency",
        target: {
          machine: "app-1",
          flow: { protocol: "tcp", destinationCidr: "10.0.0.0/8", destinationPorts: "80-90" },
        },
        direction: "egress",
        delayMilliseconds: 80,
        jitterMilliseconds: 8,
        distribution: "pareto",
        pulse: { initialDelaySeconds: 1, activeSeconds: 4, dormantSeconds: 3, repeat: 8, randomise: true },
        seed: 3,
      },
      apart: {
        fault: "packetLoss",
        target: { link: "app-1/eth0" },
        percent: 5,
        egress: { percent: 20 },
        ingress: { burstP: 0.1, burstR: 0.5 },
        durationSeconds: 5,
        startAfter: ["slow"],
      },
      probed: {
        fault: "blackhole",
        target: { link: "app-1/eth0" },
        probePackets: true,
        probeAddresses: ["10.0.0.1"],
        durationSeconds: 5,
        startAfter: ["apart"],
      },
      lossy: { fault: "packetLoss", target: { link: "app-2/eth0" }, burstP: 0.1, burstR: 0.5, durationSeconds: 5 },
    },
    analysis: { baselineSeconds: 30, settleSeconds: 1, recoverySeconds: 10, marginPercent: 5, stepSeconds: 1 },
  },
  {
    actions: {
      cpu: { fault: "cpuExhaustion", target: { machine: "app-1" }, sharePercent: 50, durationSeconds: 5 },
      kill: { fault: "processKill", target: { machine: "app-1" }, processPattern: "node", durationSeconds: 5 },
      names: {
        fault: "dnsFailure",
        target: { machine: "app-1" },
        names: ["db.shop"],
        answer: "wrongAddress",
        wrongAddress: "192.0.2.1",
        durationSeconds: 5,
      },
      resize: { change: { machine: "web-1", cpus: 1, environment: { MODE: "x" } }, durationSeconds: 5 },
    },
    schedule: { rate: "6 hours" },
  },
];

type Json = null | boolean | number | string | Json[] | { [key: string]: Json };

/** What people and programs put where something else belongs. */
const oddities: Json[] = [
  ...[null, true, false, 0, -1, 0.5, 1e9, 1e308, "", " ", "x", "0", "-5", "*", "app-1", "10.0.0.0/33", "99999"],
  ...["linkdown", "latency", "../../etc/passwd", "$(reboot)", "'; reboot #", "__proto__", "\u0000", "ü".repeat(300)],
  ...([[], {}, [null], ["cut"], { machine: "app-1" }, [[[]]]] as Json[]),
];

/** Every place in a value that can be changed: its container and its key there. */
function places(value: Json, found: [Record<string, Json>, string][] = []): [Record<string, Json>, string][] {
  if (typeof value !== "object" || value === null) return found;
  for (const key of Object.keys(value)) {
    found.push([value as Record<string, Json>, key]);
    places((value as Record<string, Json>)[key]!, found);
  }
  return found;
}

function mutated(random: () => number): Json {
  const pick = <T>(values: readonly T[]): T => values[Math.floor(random() * values.length)]!;
  const value = JSON.parse(JSON.stringify(pick(originals))) as Json;
  for (let count = 1 + Math.floor(random() * 3); count > 0; count--) {
    const all = places(value);
    if (all.length === 0) break;
    const [holder, key] = pick(all);
    const old = holder[key]!;
    const ways = [
      () => Reflect.deleteProperty(holder, key),
      () => (holder[key] = pick(oddities)),
      () => (holder[key] = typeof old === "number" ? pick([-old, old * 1e6, old / 3, String(old)]) : [old]),
      () => (holder[key] = JSON.parse(JSON.stringify(pick(all)[0])) as Json),
      () => (holder[`${key}${pick(["s", "X", "_"])}`] = old),
      () => {
        if (Array.isArray(holder)) return;
        holder[key.slice(0, -1) + pick(["e", "n", ""])] = old;
        Reflect.deleteProperty(holder, key);
      },
    ];
    pick(ways)();
  }
  return random() < 0.02 ? pick(oddities) : value;
}

/** The real resolution of targets, with nothing behind it. */
class ResolvingDriver extends FakeDriver {
  override resolve(target: FaultTarget): Promise<ResolvedTarget> {
    return Promise.resolve().then(() => resolveTarget("fuzz", topology, target));
  }

  override async describe(): Promise<ShadowDescription> {
    const machines = topology.machines.map(({ name, role }) => ({ name, role, running: true }));
    return { ...(await super.describe()), machines, links: linkNames(topology) };
  }
}

describe(`experiment files with mistakes (${files} files, seed ${seed})`, function () {
  this.timeout(120_000);
  const root = mkdtempSync(join(tmpdir(), "shadownet-fuzz-"));
  const outcomes = { refused: 0, valid: 0 };

  after(() => rmSync(root, { recursive: true, force: true }));

  it("are refused with path and cure, or valid, and none that is refused touches anything", async () => {
    const random = randomFrom(seed);
    for (let number = 0; number < files; number++) {
      const file = mutated(random);
      const text = `file ${number}: ${JSON.stringify(file)}`;
      const inFile = validateExperiment("fuzz", file, topology);
      checkProblems(inFile, text);
      const inPlan = await planProblems(file as unknown as Experiment, text);
      checkProblems(inPlan, text);
      const refused = inFile.length > 0 || inPlan.length > 0;
      outcomes[refused ? "refused" : "valid"] += 1;
      if (refused) await assertUntouched(file as unknown as Experiment, inPlan.length > 0, text);
    }
    assert.ok(outcomes.refused > files / 2 && outcomes.valid > files / 20, JSON.stringify(outcomes));
  });

  const options = (file: Experiment) => {
    const clock = new VirtualClock();
    const driver = new ResolvingDriver(clock);
    const folder = join(root, "run");
    return { driver, clock, folder, stateFolder: join(root, "state"), experiments: { fuzz: file } };
  };

  async function planProblems(file: Experiment, text: string): Promise<Problem[]> {
    try {
      await runExperiments({ ...options(file), dryRun: "plan" });
      return [];
    } catch (error) {
      assert.ok(error instanceof ProblemsError, `${text}\n${(error as Error).stack}`);
      return error.problems;
    }
  }

  /** A real run of what the runner itself refuses; what only the file check refuses never gets that far. */
  async function assertUntouched(file: Experiment, byRunner: boolean, text: string): Promise<void> {
    if (!byRunner) return;
    const { driver, ...others } = options(file);
    await assert.rejects(runExperiments({ driver, ...others }), ProblemsError, text);
    assert.deepEqual(driver.everStarted, [], text);
    const touching = ["start", "setIntake", "startSampling", "halt", "change", "command"];
    assert.deepEqual(
      driver.calls.filter((call) => touching.includes(call)),
      [],
      text,
    );
    assert.ok(!existsSync(others.folder), text);
  }
});

/** Every problem says where, and says more than "invalid": the value or what is missing, in our own words. */
function checkProblems(problems: Problem[], text: string): void {
  for (const { path, reason } of problems) {
    assert.ok(path.length > 0, text);
    assert.ok(reason.length >= 12, `${text}\n${path}: ${reason}`);
    assert.doesNotMatch(reason, /^invalid|^error|undefined|\[object|expected .* received|\.$/i, `${text}\n${path}`);
  }
}
