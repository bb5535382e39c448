import assert from "node:assert/strict";

import fc from "fast-check";

import {
  FrameFlag,
  FrameType,
  makeFrame,
  windowUpdate,
} from "../../../../components/runtime/gateway/compare/http2/frames";
import { StreamSightings } from "../../../../components/runtime/gateway/compare/http2/streamSightings";

const known = 41;

function highestIn(...segments: Buffer[]): number {
  const sightings = new StreamSightings();
  for (const segment of segments) sightings.look(segment, 0, segment.length, known);
  return sightings.highest;
}

describe("gateway: streams of HTTP/2 that are sighted behind a hole", () => {
  const head = makeFrame(FrameType.Headers, FrameFlag.EndHeaders, 43, Buffer.alloc(20, 0xff));
  const data = makeFrame(FrameType.Data, FrameFlag.EndStream, 45, Buffer.alloc(100, 0xff));

  it("are those of the frames that a segment begins with, as far as they go", () => {
    assert.equal(highestIn(head), 43);
    assert.equal(highestIn(windowUpdate(0, 5), head, data), 45);
    assert.equal(highestIn(Buffer.concat([head, windowUpdate(0, 1), data])), 45);
    assert.equal(
      highestIn(Buffer.concat([head, data]).subarray(0, head.length + 9)),
      45,
      "a frame may go on in the next",
    );
    assert.equal(highestIn(Buffer.concat([head, data]).subarray(0, head.length + 8)), 43);
    assert.equal(highestIn(Buffer.concat([head, Buffer.alloc(9, 0xff), data])), 43);
  });

  it("are known when nothing new was sighted, too", () => {
    const sightings = new StreamSightings();
    sightings.look(windowUpdate(0, 5), 0, 13, known);
    assert.deepEqual([sightings.any, sightings.highest], [false, known]);
    sightings.look(windowUpdate(7, 5), 0, 13, known);
    assert.deepEqual([sightings.any, sightings.highest], [true, known]);
  });

  it("are none that a client does not open, and none far ahead", () => {
    for (const stream of [44, 43 + 2_000, 2 ** 31 - 1]) {
      assert.equal(highestIn(makeFrame(FrameType.Headers, 4, stream, Buffer.alloc(20))), known, `${stream}`);
    }
    assert.equal(highestIn(makeFrame(FrameType.Headers, 4, known + 2_000, Buffer.alloc(20))), known + 2_000);
    for (const [type, flags, length] of [
      [FrameType.Headers, 2, 20],
      [FrameType.Headers, 4, 16_385],
      [FrameType.WindowUpdate, 0, 5],
      [FrameType.Settings, 0, 6],
      [FrameType.Ping, 0, 8],
      [10, 0, 4],
    ] as const) {
      assert.equal(highestIn(makeFrame(type, flags, 43, Buffer.alloc(length))), known, `type ${type}`);
    }
  });

  it("are not made up from content", () => {
    const text = fc.string({ minLength: 20, maxLength: 200 }).map((value) => Buffer.from(value));
    const bytes = fc.uint8Array({ minLength: 20, maxLength: 200 }).map((value) => Buffer.from(value));
    const same = fc.nat(255).map((value) => Buffer.alloc(50, value));
    fc.assert(
      fc.property(fc.oneof(text, bytes, same), (segment) => highestIn(segment) === known),
      { numRuns: 3_000 },
    );
  });
});
