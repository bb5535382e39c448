import assert from "node:assert/strict";
import { type ChildProcess, spawn, spawnSync } from "node:child_process";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compile } from "../../../../components/runtime/faults/compile";
import type { PlanCommand } from "../../../../components/runtime/faults/plan";
import { capabilitySets } from "./scenarios";

describe("a processKill", () => {
  let folder: string;
  /** Where the script's id goes: processes whose command line names the state folder are spared. */
  let elsewhere: string;
  const children: ChildProcess[] = [];

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "process-kill-"));
    elsewhere = mkdtempSync(join(tmpdir(), "process-killer-"));
  });

  afterEach(() => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const each of [folder, elsewhere]) rmSync(each, { recursive: true });
  });

  const run = ({ argv, stdin }: PlanCommand): ReturnType<typeof spawnSync> => {
    const filled = (text: string): string => text.replaceAll("{state}", folder);
    const plainly = `plainly() { "$@"; }\n`;
    const [program, ...rest] = argv.map(filled) as [string, ...string[]];
    const shell = program === "sh" && rest[0] === "-c";
    return spawnSync(program, shell ? ["-c", plainly + rest[1]!] : rest, { input: stdin && filled(stdin) });
  };

  /** A process whose command line has the word that is looked for. */
  const victim = (script: string): number => {
    const child = spawn("sh", ["-c", script, "the-victim"], { stdio: "ignore" });
    children.push(child);
    return child.pid!;
  };

  it("starts a machine again also when its script is killed between two of its kills", () => {
    // The first process to get the signal takes the script along; those behind it keep the script busy.
    const assassin = victim(`trap 'kill -9 $(cat ${elsewhere}/script)' TERM; while :; do sleep 0.01; done`);
    const others = Array.from({ length: 100 }, () => victim("sleep 60; :"));
    writeFileSync(join(folder, "cgroup.procs"), [assassin, ...others].join("\n"));
    const started = join(folder, "started");
    const machine = {
      name: "web-1",
      links: [],
      cgroups: { unified: folder },
      aliveCommand: ["test", "-e", started],
      restartCommand: ["touch", started],
    };
    const plan = compile(
      { id: "kill", kind: "processKill", durationSeconds: 5, processPattern: "the-victim", signal: "TERM" },
      { kind: "machine", name: "web-1", machines: [machine], links: [], exempt: [] },
      capabilitySets["netem"]!,
    );
    const [write, once] = plan.apply as [PlanCommand, PlanCommand];
    run(write);
    const [program, ...rest] = once.argv.map((word) => word.replaceAll("{state}", folder)) as [string, ...string[]];
    const wrapped = spawnSync("sh", ["-c", `echo $$ >${elsewhere}/script; exec "$@"`, "sh", program, ...rest]);
    assert.equal(wrapped.signal, "SIGKILL", "the script went on to its end");
    for (const command of plan.undo) run(command);
    assert.ok(existsSync(started), "the machine stays down");
  });
});
