import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { readCapture } from "../../../../components/runtime/gateway/intake/captureFile";

type Order = "LE" | "BE";

function words(order: Order, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 4);
  values.forEach((value, index) =>
    order === "LE" ? bytes.writeUInt32LE(value >>> 0, index * 4) : bytes.writeUInt32BE(value >>> 0, index * 4),
  );
  return bytes;
}

function halves(order: Order, ...values: number[]): Buffer {
  const bytes = Buffer.alloc(values.length * 2);
  values.forEach((value, index) =>
    order === "LE" ? bytes.writeUInt16LE(value, index * 2) : bytes.writeUInt16BE(value, index * 2),
  );
  return bytes;
}

function block(order: Order, type: number, ...parts: Buffer[]): Buffer {
  const body = Buffer.concat(parts);
  const padding = Buffer.alloc((4 - (body.length % 4)) % 4);
  const length = 12 + body.length + padding.length;
  return Buffer.concat([words(order, type, length), body, padding, words(order, length)]);
}

const section = (order: Order): Buffer => block(order, 0x0a0d0d0a, words(order, 0x1a2b3c4d, 1, 0xffffffff, 0xffffffff));

function option(order: Order, code: number, value: Buffer): Buffer {
  return Buffer.concat([halves(order, code, value.length), value, Buffer.alloc((4 - (value.length % 4)) % 4)]);
}

function interfaceOf(order: Order, ...options: Buffer[]): Buffer {
  return block(order, 1, halves(order, 1, 0), words(order, 0), ...options);
}

const data = Buffer.from("a packet");

/** A packet at a time in the units of its interface. */
function packet(order: Order, index: number, units: bigint): Buffer {
  const parts = [Number(units >> 32n), Number(units & 0xffffffffn), data.length, data.length];
  return block(order, 6, words(order, index, ...parts), data);
}

describe("gateway: the times in a capture", () => {
  let folder: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gateway-times-"));
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const times = async (...parts: Buffer[]): Promise<number[]> => {
    const path = join(folder, "capture");
    writeFileSync(path, Buffer.concat(parts));
    const found: number[] = [];
    for await (const { time, linkType, data: read } of readCapture(path)) {
      assert.deepEqual([linkType, read], [1, data]);
      found.push(time);
    }
    return found;
  };

  for (const order of ["LE", "BE"] as const) {
    const written = order === "LE" ? "little-endian" : "big-endian";

    it(`are read from a ${written} pcap, in microseconds and in nanoseconds`, async () => {
      const pcap = (magic: number, fraction: number): Buffer =>
        Buffer.concat([
          words(order, magic),
          halves(order, 2, 4),
          words(order, 0, 0, 262_144, 1),
          words(order, 1_700_000_000, fraction, data.length, data.length),
          data,
        ]);
      assert.deepEqual(await times(pcap(0xa1b2c3d4, 250_000)), [1_700_000_000_250]);
      assert.deepEqual(await times(pcap(0xa1b23c4d, 250_000_000)), [1_700_000_000_250]);
    });

    it(`are read from a ${written} pcapng in the units that each interface names`, async () => {
      const unit = (value: number): Buffer => option(order, 9, Buffer.from([value]));
      const name = option(order, 2, Buffer.from("eth0x"));
      const end = halves(order, 0, 0);
      const seconds = 1_700_000_000n;
      assert.deepEqual(
        await times(
          section(order),
          interfaceOf(order),
          interfaceOf(order, name, unit(9), end),
          interfaceOf(order, unit(0x80 | 10)),
          interfaceOf(order, unit(3), end),
          // What stands behind the end of the options is none.
          interfaceOf(order, end, unit(9)),
          packet(order, 0, seconds * 1_000_000n + 250_000n),
          packet(order, 1, seconds * 1_000_000_000n + 500_000_000n),
          packet(order, 2, seconds * 1024n + 768n),
          packet(order, 3, seconds * 1000n + 875n),
          packet(order, 4, seconds * 1_000_000n + 900_000n),
        ),
        [250, 500, 750, 875, 900].map((milliseconds) => 1_700_000_000_000 + milliseconds),
      );
    });
  }

  it("stand still for a pcapng's packets that have none, and are those of its own section", async () => {
    assert.deepEqual(
      await times(
        section("LE"),
        interfaceOf("LE"),
        packet("LE", 0, 7_000_000n),
        block("LE", 3, words("LE", data.length), data),
        section("BE"),
        interfaceOf("BE", option("BE", 9, Buffer.from([9]))),
        packet("BE", 0, 8_000_000_000n),
      ),
      [7_000, 7_000, 8_000],
    );
  });
});
