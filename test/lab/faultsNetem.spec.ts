import assert from "node:assert/strict";

import type { FaultKind, FaultParameters } from "../../components/experiment";
import { run, tryRun } from "../../components/internal/exec";
import { compile } from "../../components/runtime/faults/compile";
import { capabilitySets, targetOf } from "../unit/runtime/faults/scenarios";

const delay = { delayMilliseconds: 80 };
const jitter = { ...delay, jitterMilliseconds: 10 };
const faults: [FaultKind, FaultParameters][] = [
  ["latency", delay],
  ["latency", { delayMilliseconds: 0.5, direction: "egress" }],
  ["latency", { ...jitter, distribution: "uniform" }],
  ["latency", { ...jitter, distribution: "normal" }],
  ["latency", { ...jitter, distribution: "pareto" }],
  ["latency", { ...jitter, distribution: "paretonormal" }],
  ["reorder", { percent: 10, delayMilliseconds: 20 }],
  ["reorder", { gap: 5 }],
];

/** tc reads a command before it asks the kernel: 1 means that it did not understand, 2 that the kernel refused. */
const refusedByKernel = 2;

describe("commands for netem", function () {
  this.timeout(60_000);
  const namespace = `netem${process.pid}`;

  before(async () => {
    await run(["ip", "netns", "add", namespace]);
    await run(["ip", "-n", namespace, "link", "add", "near", "type", "veth", "peer", "name", "far"]);
  });

  after(() => run(["ip", "netns", "delete", namespace]));

  /** Adds the queue; where this kernel has no netem, that must be the only thing that is wrong with it. */
  async function accepted(queue: string[]): Promise<void> {
    const { code, stderr } = await tryRun(["tc", "-n", namespace, "qdisc", "add", "dev", "near", ...queue]);
    if (code === 0) {
      await run(["tc", "-n", namespace, "qdisc", "delete", "dev", "near", "root"]);
      return;
    }
    assert.equal(code, refusedByKernel, stderr);
    assert.match(stderr, /Specified qdisc (kind is unknown|not found)/);
  }

  for (const [kind, parameters] of faults) {
    it(`are understood by tc: ${kind} ${JSON.stringify(parameters)}`, async () => {
      const fault = { ...parameters, kind, id: "netem", durationSeconds: 60 };
      const plan = compile(fault, targetOf("link", "network", "v1"), capabilitySets["netem"]!);
      assert.equal(plan.mechanism, "netem");
      const lines = plan.apply.flatMap(({ argv }) => argv.at(-1)!.split("\n")).filter((line) => line.includes("netem"));
      assert.ok(lines.length > 0);
      for (const line of lines) {
        const [, queue] = / dev \S+ (.*netem.*?)( &&)?$/.exec(line)!;
        await accepted(queue!.split(" "));
      }
    });
  }

  it("would be found out if they were wrong", async () => {
    const wrong = ["root", "netem", "limit", "1000", "delay", "10ms", "wobble"];
    await assert.rejects(accepted(wrong));
  });
});
