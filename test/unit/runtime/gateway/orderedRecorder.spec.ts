import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";

import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { OrderedRecorder } from "../../../../components/runtime/gateway/workers/orderedRecorder";
import { freeDatagramPort } from "../../../support/captureHarness";

interface Written {
  text: string;
  time: number;
}

/** Keeps what is written; the bytes are read at once, as their memory may be used again. */
class Kept {
  readonly dropped = 3;
  readonly written: Written[] = [];
  closed = false;

  write(frame: Buffer, time: number): void {
    assert.equal(this.closed, false);
    this.written.push({ text: frame.toString("latin1"), time });
  }

  close(): Promise<void> {
    this.closed = true;
    return Promise.resolve();
  }
}

function frame(text: string, time: number): { bytes: Uint8Array; time: number } {
  return { bytes: new Uint8Array(Buffer.from(`#${text}#`, "latin1")).subarray(1, 1 + text.length), time };
}

describe("gateway: packets of several threads in one recording", () => {
  it("are written by their time, those of one thread in their own order", async () => {
    const list = fc.array(fc.record({ thread: fc.nat(3), time: fc.nat(40) }), { maxLength: 60 });
    await fc.assert(
      fc.asyncProperty(list, fc.nat(60), async (packets, cut) => {
        const kept = new Kept();
        const recorder = new OrderedRecorder(kept);
        const soon = Date.now() + 60_000;
        const last = new Map<number, number>();
        const frames = packets.map(({ thread, time }, index) => {
          // A thread's clock goes on; what it has of one moment stays in order.
          const at = Math.max(last.get(thread) ?? 0, time);
          last.set(thread, at);
          return { thread, index, ...frame(String(index), soon + at) };
        });
        for (const part of [frames.slice(0, cut), frames.slice(cut)]) {
          for (const thread of [2, 0, 3, 1])
            recorder.take(
              thread,
              part.filter((one) => one.thread === thread),
            );
        }
        assert.equal(kept.written.length, 0);
        await recorder.close();
        assert.equal(kept.closed, true);
        const order = [...frames].sort((a, b) => a.time - b.time || a.thread - b.thread || a.index - b.index);
        assert.deepEqual(
          kept.written,
          order.map(({ index, time }) => ({ text: String(index), time })),
        );
      }),
      { numRuns: 200 },
    );
  });

  it("keep their thread's order also where its clock went back", async () => {
    const kept = new Kept();
    const recorder = new OrderedRecorder(kept);
    const soon = Date.now() + 60_000;
    recorder.take(0, [frame("a", soon + 5), frame("b", soon + 1)]);
    recorder.take(1, [frame("c", soon + 3)]);
    await recorder.close();
    assert.deepEqual(
      kept.written.map(({ text }) => text),
      ["c", "a", "b"],
    );
  });

  it("wait half a second for what other threads have of the time before, and no longer", () => {
    const kept = new Kept();
    const recorder = new OrderedRecorder(kept);
    const now = Date.now();
    recorder.take(1, [frame("old", now - 900), frame("fresh", now + 100)]);
    recorder.take(0, [frame("older", now - 1_000)]);
    recorder.releaseOld();
    assert.deepEqual(
      kept.written.map(({ text }) => text),
      ["old", "older"],
    );
    assert.equal(recorder.dropped, 3);
  });

  it("are written at once when more waits than may, and only then", async () => {
    const kept = new Kept();
    const recorder = new OrderedRecorder(kept);
    const large = "x".repeat(2 ** 20);
    const [past, soon] = [Date.now() - 10_000, Date.now() + 60_000];
    for (let index = 0; index < 40; index++) recorder.take(0, [frame(large, past + index)]);
    assert.equal(kept.written.length, 40, "what is old does not wait");
    for (let index = 0; index < 32; index++) recorder.take(0, [frame(large, soon + index)]);
    assert.equal(kept.written.length, 40, "as much as may waits");
    recorder.take(1, [frame("earlier", soon - 1)]);
    assert.equal(kept.written[40]!.text, "earlier");
    assert.equal(kept.written.length, 73, "more than that does not");
    await recorder.close();
  });
});

describe("gateway: a start that fails", () => {
  for (const workers of [1, 2]) {
    it(`leaves the intake free for the next, with ${workers} of its threads`, async () => {
      const folder = mkdtempSync(join(tmpdir(), "gateway-start-"));
      const taken = join(folder, "control");
      writeFileSync(taken, "precious");
      const files = { stats: join(folder, "stats.json"), samples: join(folder, "samples.ndjson") };
      const config = { ...files, intake: `vxlan:127.0.0.1:${await freeDatagramPort()}`, workers };
      const record = join(folder, "out.pcapng");
      await assert.rejects(runGateway({ ...config, record, control: taken }), { code: "cannot-listen" });
      const second = await runGateway({ ...config, record });
      assert.equal(`vxlan:${second.intakeAddress}`, config.intake);
      await second.stop();
      rmSync(folder, { recursive: true, force: true });
    });
  }
});
