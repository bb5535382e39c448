import assert from "node:assert/strict";

import fc from "fast-check";

import type { ExchangeSample } from "../../../../components/runtime/gateway/exchange";
import { LagHistogram } from "../../../../components/runtime/gateway/lagHistogram";
import { sampleRoom, writeSample } from "../../../../components/runtime/gateway/sampleLine";

const time = fc.oneof(
  fc.double({ min: 1.7e12, max: 1.9e12, noNaN: true }),
  fc.constantFrom(0, 1_700_000_000_999.9998, 1_700_000_000_000),
);
const side = fc.record(
  {
    start: time,
    firstByte: time,
    end: time,
    status: fc.integer({ min: 100, max: 999 }),
    grpcStatus: fc.nat({ max: 16 }),
    bytes: fc.nat(),
    digest: fc.constant("0123456789abcdef0123456789abcdef"),
    error: fc.constantFrom("timeout", "lost"),
  },
  { requiredKeys: ["start"] },
);
const samples: fc.Arbitrary<ExchangeSample> = fc.record(
  {
    flow: fc.constantFrom("tcp 10.0.0.1:1>10.0.0.2:80", "tcp [fd00::1]:1>[fd00::2]:80"),
    index: fc.nat(),
    protocol: fc.constantFrom("http1", "raw"),
    method: fc.string(),
    path: fc.string({ unit: "binary" }),
    live: side,
    shadow: side,
    equal: fc.boolean(),
    differences: fc.array(fc.string()),
    lagMilliseconds: fc.double({ min: -5, max: 1e6, noNaN: true }),
  },
  { requiredKeys: ["flow", "index", "protocol", "live", "shadow", "lagMilliseconds"] },
);

const rounded = (value: unknown): unknown => {
  if (typeof value === "number" && !Number.isInteger(value)) return Math.round(value * 1000) / 1000;
  if (Array.isArray(value) || typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, rounded(item)]));
};

/** The same with every number within a thousandth. */
function assertClose(read: unknown, expected: unknown): void {
  if (typeof expected === "number")
    assert.ok(Math.abs((read as number) - expected) < 0.002, `${String(read)} is not ${expected}`);
  else if (typeof expected === "object" && expected !== null) {
    assert.deepEqual(Object.keys(read as object), Object.keys(expected));
    for (const [name, item] of Object.entries(expected)) assertClose((read as Record<string, unknown>)[name], item);
  } else assert.deepEqual(read, expected);
}

describe("gateway: samples and lags", () => {
  it("writes one line of JSON that says what the sample says, times to the microsecond", () => {
    fc.assert(
      fc.property(samples, (sample) => {
        const target = Buffer.alloc(3 + sampleRoom(sample) + 1, "#");
        const end = writeSample(target, 3, sample);
        assert.ok(end < target.length && target.toString("latin1", 0, 3) === "###");
        assert.ok(target.subarray(end).every((byte) => byte === 35));
        const line = target.toString("utf8", 3, end);
        assert.ok(line.endsWith("\n") && line.indexOf("\n") === line.length - 1);
        const { lagMilliseconds, equal, differences, ...rest } = sample;
        const ordered = { ...rest, lagMilliseconds, equal, differences };
        assertClose(JSON.parse(line), JSON.parse(JSON.stringify(rounded(ordered))));
      }),
      { numRuns: 2_000 },
    );
  });

  it("keeps lags to within one per cent, also after they were put together", () => {
    const lags = fc.array(fc.double({ min: 0, max: 3_600_000, noNaN: true }), { minLength: 1, maxLength: 200 });
    fc.assert(
      fc.property(lags, fc.constantFrom(0.5, 0.99), (values, share) => {
        const [one, other] = [new LagHistogram(), new LagHistogram()];
        values.forEach((value, index) => (index % 2 === 0 ? one : other).record(value));
        one.add(other.counts);
        const sorted = values.slice().sort((a, b) => a - b);
        const truth = sorted[Math.ceil(sorted.length * share) - 1]!;
        assert.ok(Math.abs(one.quantile(share)! - truth) <= truth * 0.01 + 0.001);
      }),
    );
    assert.equal(new LagHistogram().quantile(0.5), null);
  });
});
