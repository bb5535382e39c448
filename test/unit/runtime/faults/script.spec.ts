import assert from "node:assert/strict";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run, tryRun } from "../../../../components/internal/exec";
import { ProblemsError } from "../../../../components/internal/problems";
import { compile } from "../../../../components/runtime/faults/compile";
import type { FaultPlan } from "../../../../components/runtime/faults/plan";
import { renderScript } from "../../../../components/runtime/faults/script";
import { capabilitySets, faults, targetOf } from "./scenarios";

const golden = join(__dirname, "golden");
const update = process.env.SHADOWNET_UPDATE_GOLDEN === "1";

/** Every fault on every target with every set of capabilities: a plan, or the problems that refuse it. */
function* combinations(): Generator<{ name: string; plan: FaultPlan | ProblemsError }> {
  for (const [index, [kind, parameters]] of faults.entries()) {
    for (const target of ["machine", "link", "flow"] as const) {
      for (const [set, capabilities] of Object.entries(capabilitySets)) {
        for (const side of ["network", "machine"] as const) {
          const name = `${String(index).padStart(2, "0")}-${kind}-${target}-${set}-${side}`;
          const resolved = targetOf(target, side, capabilities.cgroup);
          try {
            const fault = { ...parameters, kind, id: "golden", durationSeconds: 60 };
            yield { name, plan: compile(fault, resolved, capabilities) };
          } catch (error) {
            if (!(error instanceof ProblemsError)) throw error;
            yield { name, plan: error };
          }
        }
      }
    }
  }
}

const everything = [...combinations()];
const firstPlan = everything
  .map(({ plan }) => plan)
  .find((plan): plan is FaultPlan => !(plan instanceof ProblemsError))!;

function text(plan: FaultPlan | ProblemsError): string {
  if (plan instanceof ProblemsError) return `${plan.message}\n`;
  const { fault, ...rest } = plan;
  return `${JSON.stringify({ ...rest, kind: fault.kind }, null, 1)}\n`;
}

describe("compile", () => {
  for (const [index, [kind]] of faults.entries()) {
    it(`gives the plans on record for ${kind} (${index})`, () => {
      const prefix = `${String(index).padStart(2, "0")}-`;
      const all = everything.filter(({ name }) => name.startsWith(prefix));
      const actual = all.map(({ name, plan }) => `== ${name}\n${text(plan)}`).join("");
      const file = join(golden, `${prefix}${kind}.txt`);
      if (update) {
        mkdirSync(golden, { recursive: true });
        writeFileSync(file, actual);
      }
      assert.ok(existsSync(file), `${file} is missing; SHADOWNET_UPDATE_GOLDEN=1 writes it`);
      assert.equal(actual, readFileSync(file, "utf8"));
    });
  }

  it("refuses a kind on a target that makes no sense, and accepts it elsewhere", () => {
    const refused = everything.filter(({ plan }) => plan instanceof ProblemsError);
    const named = refused.filter(({ plan }) =>
      /makes no sense on a (link|flow); /.test((plan as ProblemsError).message),
    );
    assert.ok(named.some(({ name }) => name.includes("linkDown-flow")));
    assert.ok(named.some(({ name }) => name.includes("machineCrash-link")));
    assert.ok(named.some(({ name }) => name.includes("cpuExhaustion-flow")));
    const others = refused.filter(({ plan }) => !(plan as ProblemsError).message.includes("probePackets"));
    assert.ok(!others.some(({ name }) => name.includes("latency-flow-netem")));
  });
});

describe("renderScript", function () {
  this.timeout(600_000);

  it("gives scripts that shellcheck accepts", async () => {
    const folder = mkdtempSync(join(tmpdir(), "shadownet-scripts-"));
    try {
      const files: string[] = [];
      const shapes = new Set<string>();
      for (const { name, plan } of everything) {
        if (plan instanceof ProblemsError) continue;
        const script = renderScript(plan);
        // Scripts that differ only in rules of nft and in numbers are one script to a shell.
        const shape = script.replaceAll(/<<'EOF'[\s\S]*?\nEOF/g, "").replaceAll(/^#.*|STEP=.*|'[^']*'|\d+/gm, "");
        if (shapes.has(shape)) continue;
        shapes.add(shape);
        files.push(join(folder, `${name}.sh`));
        writeFileSync(files.at(-1)!, script);
      }
      assert.ok(files.length > 40, `${files.length} different scripts`);
      for (let index = 0; index < files.length; index += 20) {
        const { code, stdout } = await tryRun(["shellcheck", "-s", "sh", ...files.slice(index, index + 20)], {
          timeoutMilliseconds: 240_000,
        });
        assert.equal(code, 0, stdout);
      }
    } finally {
      rmSync(folder, { recursive: true });
    }
  });

  it("puts the timer into a slice of systemd on request, apart from what the fault hits", () => {
    const [usual, apart] = [renderScript(firstPlan), renderScript(firstPlan, { slice: "shadownet.slice" })];
    assert.match(usual, /^TIMER_SLICE='' /m);
    assert.match(apart, /^TIMER_SLICE=shadownet\.slice /m);
    assert.match(apart, /set -- "\$@" --slice="\$TIMER_SLICE"/);
  });

  it("notes the id of a helper only when the helper's own program runs", () => {
    const relayed = everything.find(({ name }) => name.startsWith("04-latency-link-relay-network"))!.plan as FaultPlan;
    const script = renderScript(relayed);
    assert.match(script, /setsid .*relay\.config .* &\n {2}helper "\$!" \S+relay\.pid/);
    assert.ok(script.indexOf("helper() {") < script.indexOf("reason_to_end() {"));
    assert.ok(!renderScript(firstPlan).includes("helper()"));
  });

  it("refuses a state folder that could not be quoted", () => {
    assert.throws(() => renderScript(firstPlan, { stateFolder: "/tmp/a b" }), /state folder "\/tmp\/a b"/);
    assert.throws(() => renderScript(firstPlan, { stateFolder: "relative" }), /absolute path/);
  });

  it("says how it is used", async () => {
    const folder = mkdtempSync(join(tmpdir(), "shadownet-scripts-"));
    const file = join(folder, "fault.sh");
    writeFileSync(file, renderScript(firstPlan, { stateFolder: join(folder, "state") }));
    const { code, stderr } = await tryRun(["sh", file, "nonsense"]);
    assert.equal(code, 2);
    assert.match(stderr, /start\|heartbeat\|effect\|status\|stop/);
    assert.equal(await run(["sh", file, "status"]), '{"fault":"golden","event":"none"}\n');
    rmSync(folder, { recursive: true });
  });
});
