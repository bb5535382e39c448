import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import fc from "fast-check";

import { run, tryRun } from "../../../../components/internal/exec";
import { compile } from "../../../../components/runtime/faults/compile";
import { renderScript } from "../../../../components/runtime/faults/script";
import { capabilitySets } from "./scenarios";

/** Shares of three faults; each has its own script, and all lower one limit, which is an ordinary file here. */
const shares = [50, 20, 90];
const original = "100000 100000";

type Step =
  | { kind: "claim" | "release"; fault: number }
  /** Killed after so many milliseconds; then the undo runs, as the watcher of a killed fault runs it. */
  | { kind: "killed"; of: "apply_steps" | "undo_steps"; fault: number; after: number }
  | { kind: "resize"; quota: number };

const fault = fc.nat(shares.length - 1);
const step: fc.Arbitrary<Step> = fc.oneof(
  fc.record({ kind: fc.constantFrom("claim" as const, "release" as const), fault }),
  fc.record({
    kind: fc.constant("killed" as const),
    of: fc.constantFrom("apply_steps" as const, "undo_steps" as const),
    fault,
    after: fc.integer({ min: 1, max: 12 }),
  }),
  fc.record({ kind: fc.constant("resize" as const), quota: fc.integer({ min: 150_000, max: 400_000 }) }),
);

/** A limit that several faults lower, and their scripts without what starts and times them. */
class Bench {
  readonly folder = mkdtempSync(join(tmpdir(), "shadownet-claims-"));
  readonly group = join(this.folder, "group");
  readonly limit = join(this.group, "cpu.max");
  readonly claims = join(this.folder, "claims");

  constructor() {
    this.reset();
    for (const [index, sharePercent] of shares.entries())
      writeFileSync(this.script(index), this.text(index, sharePercent));
  }

  reset(): void {
    for (const path of [this.group, this.claims]) rmSync(path, { recursive: true, force: true });
    mkdirSync(this.group);
    writeFileSync(this.limit, `${original}\n`);
    writeFileSync(join(this.group, "cpu.stat"), "nr_throttled 0\n");
    for (const index of shares.keys()) mkdirSync(join(this.folder, `state${index}`), { recursive: true });
  }

  script(index: number): string {
    return join(this.folder, `fault${index}.sh`);
  }

  private text(index: number, sharePercent: number): string {
    const machine = { name: "web", links: [], cgroups: { unified: this.group } };
    const target = { kind: "machine" as const, name: "web", machines: [machine], links: [], exempt: [] };
    const settings = { kind: "cpuExhaustion" as const, sharePercent, id: `f${index}`, durationSeconds: 60 };
    const plan = compile(settings, target, capabilitySets.netem!);
    const folders = { stateFolder: join(this.folder, `state${index}`), claimsFolder: this.claims };
    const whole = renderScript(plan, folders);
    return `${whole.slice(0, whole.indexOf('case "$1" in\n  start |'))}\n"$1"\n`;
  }

  async call(index: number, steps: string): Promise<void> {
    await run(["sh", this.script(index), steps]);
  }

  async killed(index: number, steps: string, after: number): Promise<void> {
    const child = spawn("sh", [this.script(index), steps], { detached: true, stdio: "ignore" });
    const ended = once(child, "exit");
    await delay(after);
    try {
      process.kill(-child.pid!, "SIGKILL");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
    }
    await ended;
    await this.call(index, "undo_steps");
  }

  quota(): number {
    return Number(readFileSync(this.limit, "utf8").split(" ")[0]);
  }

  left(): string[] {
    return existsSync(this.claims) ? readdirSync(this.claims).filter((name) => name !== "lock") : [];
  }
}

/** What is left when each takes its share of what the others leave, as whole numbers in the order of the names. */
function expected(base: number, active: ReadonlySet<number>): number {
  const left = [...active]
    .sort()
    .reduce((quota, index) => Math.floor((quota * (1000 - 10 * shares[index]!)) / 1000), base);
  return active.size === 0 ? base : Math.max(1000, left);
}

describe("limits that several faults share", function () {
  this.timeout(240_000);
  const bench = new Bench();

  after(() => rmSync(bench.folder, { recursive: true, force: true }));

  it("hold what all that are on ask for, and go back to the original with the last, in any order and killed anywhere", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(step, { minLength: 1, maxLength: 8 }), async (steps) => {
        bench.reset();
        let base = 100_000;
        const active = new Set<number>();
        for (const each of steps) {
          if (each.kind === "resize") {
            writeFileSync(bench.limit, `${each.quota} 100000\n`);
            base = each.quota;
            continue;
          }
          if (each.kind === "claim") {
            await bench.call(each.fault, "apply_steps");
            active.add(each.fault);
          } else {
            if (each.kind === "killed") await bench.killed(each.fault, each.of, each.after);
            else await bench.call(each.fault, "undo_steps");
            active.delete(each.fault);
          }
          if (each.kind === "claim" || active.size > 0) assert.ok(bench.quota() <= base);
          if (each.kind === "claim") assert.equal(bench.quota(), expected(base, active));
        }
        for (const index of shares.keys()) {
          await bench.call(index, "undo_steps");
          await bench.call(index, "undone_steps");
        }
        assert.equal(readFileSync(bench.limit, "utf8"), `${base} 100000\n`);
        assert.deepEqual(bench.left(), []);
      }),
      { numRuns: 60 },
    );
  });

  it("are given up when the thing that was limited is another one", async () => {
    bench.reset();
    await bench.call(0, "apply_steps");
    assert.equal(bench.quota(), 50_000);
    rmSync(bench.group, { recursive: true });
    mkdirSync(bench.group);
    writeFileSync(join(bench.folder, "keep"), "");
    writeFileSync(bench.limit, "70000 100000\n");
    const sameInode = (await run(["stat", "-c", "%i", bench.group])).trim() === identity(bench);
    await bench.call(0, "undo_steps");
    assert.deepEqual(bench.left(), []);
    if (!sameInode) assert.equal(bench.quota(), 70_000);
    assert.equal((await tryRun(["sh", bench.script(0), "undone_steps"])).code, 0);
  });
});

function identity(bench: Bench): string {
  const [claim] = bench.left();
  return readFileSync(join(bench.claims, claim!, "identity"), "utf8").trim();
}
