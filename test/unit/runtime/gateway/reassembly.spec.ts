import assert from "node:assert/strict";

import fc from "fast-check";

import { StreamReassembler } from "../../../../components/runtime/gateway/flows/reassembly";

/** What is told of one position: its byte, or that it is lost. */
type Told = number | "lost";

type Step =
  | { kind: "segment"; at: number; length: number; twist: number }
  | { kind: "acknowledged"; at: number }
  | { kind: "finish" }
  | { kind: "giveUp" };

const streamBytes = 60;
/** A copy whose `twist` is not 0 says something else than the others. */
const byteOf = (position: number, twist: number): number => ((position * 7 + 13) & 0xff) ^ twist;

/** The plainest reading of the rules: a byte's first copy is told when all before it is, and it is lost when that is said. */
class Model {
  readonly told: Told[] = [];
  private readonly known = new Map<number, number>();
  private end = Infinity;
  ended = 0;

  step(step: Step): void {
    if (step.kind === "segment" && this.ended === 0) {
      for (let at = step.at; at < step.at + step.length; at++) {
        if (at >= this.told.length && !this.known.has(at)) this.known.set(at, byteOf(at, step.twist));
      }
    } else if (step.kind === "finish") this.end = streamBytes;
    else if (step.kind === "acknowledged" && this.ended === 0) this.loseUpTo(Math.min(step.at, this.end));
    else if (step.kind === "giveUp") this.giveUp();
    this.drain();
    if (this.told.length >= this.end) this.ended = 1;
  }

  get held(): number {
    return this.known.size;
  }

  get isMissing(): boolean {
    return this.ended === 0 && (this.held > 0 || this.end !== Infinity);
  }

  private giveUp(): void {
    if (this.held > 0) this.loseUpTo(Math.min(...this.known.keys()));
    else if (this.end !== Infinity) this.loseUpTo(this.end);
  }

  private loseUpTo(limit: number): void {
    while (this.told.length < limit) {
      this.drain();
      if (this.told.length < limit) this.told.push("lost");
    }
  }

  private drain(): void {
    for (let next = this.known.get(this.told.length); next !== undefined; next = this.known.get(this.told.length)) {
      this.known.delete(this.told.length);
      this.told.push(next);
    }
  }
}

const position = fc.nat(streamBytes);
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    weight: 8,
    arbitrary: fc.tuple(position, fc.nat(20), fc.constantFrom(0, 0, 1, 2)).map(([at, length, twist]): Step => {
      return { kind: "segment", at, length: Math.min(length, streamBytes - at), twist };
    }),
  },
  { weight: 2, arbitrary: position.map((at): Step => ({ kind: "acknowledged", at })) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "finish" }) },
  { weight: 1, arbitrary: fc.constant<Step>({ kind: "giveUp" }) },
);

/** A stream whose every word is noted, position by position. */
function stream() {
  const counters = { reorderedSegments: 0, retransmittedSegments: 0, overlapConflicts: 0, holes: 0, holeBytes: 0 };
  const told: Told[] = [];
  /** By which segment each byte is told: where it begins, and when it came. */
  const by: { peerOffset: number; time: number }[] = [];
  const starts: number[] = [];
  let ends = 0;
  const reassembler = new StreamReassembler(
    {
      data(fromClient, chunk, from, to, time, offset, peerOffset, segmentStart) {
        assert.deepEqual([fromClient, offset], [true, told.length]);
        assert.ok(to > from);
        if (segmentStart) starts.push(offset);
        for (let at = from; at < to; at++) {
          by[told.length] = { peerOffset, time };
          told.push(chunk[at]!);
        }
      },
      hole(fromClient, length) {
        assert.ok(fromClient && length > 0);
        for (let index = 0; index < length; index++) told.push("lost");
      },
      end(fromClient) {
        assert.equal(fromClient, true);
        ends++;
      },
    },
    true,
    counters,
  );
  return { reassembler, counters, told, by, starts, ends: () => ends };
}

describe("gateway: one direction of a connection", () => {
  it("is told byte by byte in order, by a segment that has the byte, and only what is said to be lost is lost", () => {
    const first = fc.oneof(fc.constantFrom(0, 0xffffffff, 0xfffffff0, 0x7ffffff0), fc.nat(0xffffffff));
    fc.assert(
      fc.property(first, fc.array(step, { maxLength: 30 }), (isn, steps) => {
        const { reassembler, counters, told, by, starts, ends } = stream();
        const model = new Model();
        reassembler.start(isn);
        const memory = Buffer.alloc(streamBytes + 2);
        steps.forEach((one, index) => {
          const time = index + 1;
          const at = "at" in one ? reassembler.offsetOf((isn + one.at) >>> 0) : 0;
          if ("at" in one) assert.equal(at, one.at);
          if (one.kind === "segment") {
            for (let n = 0; n < one.length; n++) memory[1 + n] = byteOf(one.at + n, one.twist);
            reassembler.push(memory, 1, 1 + one.length, at, time, one.at);
            memory.fill(0xee);
          } else if (one.kind === "acknowledged") reassembler.acknowledged(at, time);
          else if (one.kind === "finish") reassembler.finish(streamBytes, time);
          else reassembler.loseOldestHole(time);
          model.step(one);
          assert.deepEqual(told, model.told);
          assert.deepEqual([reassembler.position, ends()], [told.length, model.ended]);
          assert.equal(reassembler.isEnded, model.ended === 1);
          assert.equal(reassembler.heldBytes, model.held);
          if (model.ended === 0) assert.equal(reassembler.missesSince(time), model.isMissing);
          assert.equal(reassembler.sequenceOf(reassembler.position), (isn + told.length) >>> 0);
        });
        const lost = told.filter((one) => one === "lost").length;
        const isHole = (one: Told, index: number): boolean => one === "lost" && told[index - 1] !== "lost";
        assert.equal(counters.holeBytes, lost);
        assert.ok(counters.holes >= told.filter(isHole).length && counters.holes <= lost);
        const begun = new Set(steps.flatMap((one) => (one.kind === "segment" ? [one.at] : [])));
        for (const offset of starts) assert.ok(begun.has(offset), `${offset} begins no segment`);
        by.forEach(({ peerOffset, time }, offset) => {
          const one = steps[time - 1];
          assert.ok(
            one?.kind === "segment" && one.at === peerOffset && one.at <= offset && offset < one.at + one.length,
          );
        });
        if (!steps.some((one) => one.kind === "segment" && one.twist !== 0)) assert.equal(counters.overlapConflicts, 0);
        reassembler.loseAllHoles(99);
        while (model.isMissing) model.step({ kind: "giveUp" });
        assert.deepEqual([told, ends(), reassembler.heldBytes], [model.told, model.ended, 0]);
      }),
      { numRuns: 2_000 },
    );
  });

  const text = (value: string): Buffer => Buffer.from(value, "latin1");
  const pushed = (parts: readonly (readonly [at: number, text: string])[]): ReturnType<typeof stream> => {
    const all = stream();
    all.reassembler.start(100);
    for (const [at, value] of parts) all.reassembler.push(text(value), 0, value.length, at, 1, 0);
    return all;
  };

  it("counts what comes twice, what comes too early, and where two copies differ", () => {
    const counted = (...parts: (readonly [at: number, text: string])[]): number[] => {
      const { counters } = pushed(parts);
      return [counters.retransmittedSegments, counters.reorderedSegments, counters.overlapConflicts];
    };
    assert.deepEqual(counted([0, "abc"], [3, "def"]), [0, 0, 0]);
    assert.deepEqual(counted([0, "abc"], [0, "abc"]), [1, 0, 0]);
    assert.deepEqual(counted([0, "abc"], [0, "abX"]), [1, 0, 1]);
    assert.deepEqual(counted([0, "abc"], [1, "bcde"]), [1, 0, 0]);
    assert.deepEqual(counted([0, "abc"], [1, "Xcde"]), [1, 0, 1]);
    assert.deepEqual(counted([3, "def"], [3, "def"]), [1, 2, 0]);
    assert.deepEqual(counted([3, "def"], [4, "Xfg"]), [1, 2, 1]);
    assert.deepEqual(counted([3, "def"], [0, "abcdef"]), [1, 1, 0]);
    assert.deepEqual(counted([3, "def"], [0, "abcXefg"]), [1, 1, 1]);
    assert.deepEqual(counted([0, "abc"], [2, "X"]), [1, 0, 0], "the byte of a keep-alive probe may be any");
    assert.deepEqual(counted([0, "abc"], [1, "X"]), [1, 0, 1]);
  });

  it("says where a segment of its sender begins, not where one is gone on with", () => {
    assert.deepEqual(
      pushed([
        [0, "abc"],
        [3, "def"],
      ]).starts,
      [0, 3],
    );
    assert.deepEqual(
      pushed([
        [0, "abc"],
        [1, "bcdef"],
      ]).starts,
      [0],
    );
    assert.deepEqual(
      pushed([
        [3, "def"],
        [0, "abc"],
      ]).starts,
      [0, 3],
    );
    assert.deepEqual(
      pushed([
        [3, "def"],
        [0, "abcd"],
      ]).starts,
      [0, 3],
    );
    assert.deepEqual(
      pushed([
        [4, "ef"],
        [2, "cdefgh"],
        [0, "ab"],
      ]).starts,
      [0, 2, 4],
    );
  });

  it("believes no acknowledgement further ahead than a window reaches", () => {
    const { reassembler, told } = pushed([[0, "abc"]]);
    reassembler.acknowledged(3 + 2 ** 30 + 1, 1);
    assert.deepEqual([told.length, reassembler.acknowledgedTo], [3, 0]);
    assert.deepEqual([reassembler.isAhead(100 + 3), reassembler.isAhead(100 + 4)], [false, true]);
    assert.deepEqual([reassembler.isAhead(100 + 3 + 2 ** 30), reassembler.isAhead(100 + 4 + 2 ** 30)], [true, false]);
    reassembler.announced(10);
    assert.deepEqual([reassembler.isAhead(110), reassembler.isAhead(111), reassembler.furthest], [false, true, 10]);
    reassembler.acknowledged(5, 1);
    assert.deepEqual([told.length, reassembler.acknowledgedTo, told.at(-1)], [5, 5, "lost"]);
  });

  it("holds nothing and tells nothing more once it is cleared", () => {
    const { reassembler, told } = pushed([[2, "cd"]]);
    assert.equal(reassembler.isUntouched, false);
    reassembler.clear();
    assert.deepEqual([reassembler.heldBytes, reassembler.missesSince(9), reassembler.isEnded], [0, false, true]);
    reassembler.push(text("ab"), 0, 2, 0, 1, 0);
    reassembler.acknowledged(4, 1);
    reassembler.loseAllHoles(1);
    assert.equal(told.length, 0);
  });
});
