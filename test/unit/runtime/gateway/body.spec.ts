import assert from "node:assert/strict";
import { createHash } from "node:crypto";

import fc from "fast-check";

import { BodyDigest, BodyMemory } from "../../../../components/runtime/gateway/compare/body";

/** Adds content in pieces whose memory is overwritten at once, as a socket's is. */
function fill(body: BodyDigest, content: Buffer, cuts: readonly number[]): void {
  const memory = Buffer.alloc(content.length);
  let at = 0;
  for (const cut of [...cuts.map((part) => Math.floor(part * content.length)).sort((a, b) => a - b), content.length]) {
    content.copy(memory, at, at, cut);
    body.add(memory, at, cut);
    memory.fill(0);
    at = cut;
  }
}

const room = new BodyMemory(2 ** 30);
const digestOf = (content: Buffer): string => createHash("sha256").update(content).digest("hex").slice(0, 32);
const patterned = (length: number, seed: number): Buffer =>
  Buffer.from(Uint8Array.from({ length }, (_, index) => (index * 31 + seed * 7 + (index >> 8)) & 0xff));

const cuts = fc.array(fc.double({ min: 0, max: 1, noNaN: true }), { maxLength: 12 });
const length = fc.oneof(fc.integer({ min: 0, max: 20_000 }), fc.integer({ min: 60_000, max: 300_000 }));

describe("gateway: the digest of a response's content", () => {
  it("is that of the bytes, however they come, and keeps JSON up to its bound", () => {
    fc.assert(
      fc.property(length, cuts, cuts, fc.boolean(), (bytes, mine, its, keeps) => {
        const content = patterned(bytes, 1);
        const [live, shadow] = [new BodyDigest(room, keeps), new BodyDigest(room, keeps)];
        fill(live, content, mine);
        fill(shadow, content, its);
        assert.equal(live.digest(), digestOf(content));
        assert.equal(shadow.digest(live), digestOf(content));
        const kept = live.content();
        if (!keeps || bytes > 262_144) assert.equal(kept, undefined);
        else assert.equal(kept!.equals(content), true);
        for (const body of [live, shadow]) body.release();
        assert.equal(room.used, 0);
      }),
      { numRuns: 60 },
    );
  });

  it("is not taken from content that was given up before it was asked for, not even from none", () => {
    const memory = new BodyMemory(2 ** 20);
    const [live, shadow] = [new BodyDigest(memory, false), new BodyDigest(memory, false)];
    live.release();
    assert.equal(shadow.digest(live), digestOf(Buffer.alloc(0)));
  });

  it("tells contents of one length apart, also by their last byte", () => {
    for (const bytes of [1, 5_000, 20_000, 65_536, 65_537, 200_000]) {
      const content = patterned(bytes, 2);
      const other = Buffer.from(content);
      other[bytes - 1]! ^= 1;
      const [live, shadow] = [new BodyDigest(room, false), new BodyDigest(room, false)];
      fill(live, content, [0.3, 0.6]);
      fill(shadow, other, [0.5]);
      live.digest();
      assert.equal(shadow.digest(live), digestOf(other));
      for (const body of [live, shadow]) body.release();
    }
  });

  it("holds no more than there is room for, and gives all of it back, whatever comes after", () => {
    const piece = fc.record({ which: fc.nat(9), bytes: fc.integer({ min: 1, max: 70_000 }), release: fc.boolean() });
    fc.assert(
      fc.property(fc.array(piece, { maxLength: 60 }), fc.constantFrom(1_000, 100_000, 400_000), (pieces, limit) => {
        const tight = new BodyMemory(limit);
        const bodies = Array.from({ length: 10 }, () => ({ body: new BodyDigest(tight, true), said: [] as Buffer[] }));
        for (const { which, bytes, release } of pieces) {
          const { body, said } = bodies[which]!;
          const fresh = patterned(bytes, said.length + which);
          body.add(fresh, 0, bytes);
          said.push(fresh);
          assert.ok(tight.used <= limit, `${tight.used} of ${limit}`);
          if (!release || bytes > 5_000) continue;
          body.release();
          assert.equal(body.content(), undefined);
        }
        for (const { body, said } of bodies) {
          const whole = Buffer.concat(said);
          assert.equal(body.bytes, whole.length);
          const content = body.content();
          if (content !== undefined) assert.ok(content.equals(whole));
          body.release();
        }
        assert.equal(tight.used, 0);
      }),
      { numRuns: 60 },
    );
  });

  it("holds when more responses are under way than are gathered, and after they were given up", () => {
    for (let round = 0; round < 3; round++) {
      const contents = Array.from({ length: 200 }, (_, index) => patterned(16_384, index));
      const bodies = contents.map((content) => {
        const body = new BodyDigest(room, false);
        fill(body, content, [0.1, 0.2, 0.9]);
        return body;
      });
      bodies.forEach((body, index) => assert.equal(body.digest(), digestOf(contents[index]!)));
      for (const body of bodies) body.release();
      assert.equal(room.used, 0);
    }
  });
});
