import assert from "node:assert/strict";

import fc from "fast-check";

import { LastSegment, rememberedBytes } from "../../../../components/runtime/gateway/flows/lastSegment";

describe("gateway: the last segment of a stream", () => {
  it("is what was set last, among many streams that come and go", () => {
    const step = fc.record({
      stream: fc.nat(150),
      length: fc.integer({ min: 0, max: rememberedBytes + 100 }),
      clears: fc.boolean(),
      seed: fc.nat(255),
    });
    fc.assert(
      fc.property(fc.array(step, { maxLength: 400 }), (steps) => {
        const streams = Array.from({ length: 151 }, () => ({ last: new LastSegment(), bytes: Buffer.alloc(0) }));
        for (const { stream, length, clears, seed } of steps) {
          const one = streams[stream]!;
          if (clears) one.last.clear();
          else one.last.set(Buffer.alloc(length + 2, seed), 1, length + 1);
          one.bytes = clears || length > rememberedBytes ? Buffer.alloc(0) : Buffer.alloc(length, seed);
        }
        for (const { last, bytes } of streams) {
          assert.equal(last.length, bytes.length);
          if (bytes.length === 0) continue;
          assert.equal(last.equals(0, bytes, 0, bytes.length), true);
          bytes[bytes.length - 1]! ^= 1;
          assert.equal(last.equals(0, bytes, 0, bytes.length), false);
        }
        for (const { last } of streams) last.clear();
      }),
      { numRuns: 100 },
    );
  });
});
