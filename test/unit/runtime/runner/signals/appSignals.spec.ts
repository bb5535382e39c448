import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, renameSync, rmSync, truncateSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ExchangeSample, ExchangeSide } from "../../../../../components/runtime/gateway/exchange";
import type { SignalPoint } from "../../../../../components/runtime/runner/driver";
import { AppSignals } from "../../../../../components/runtime/runner/signals/appSignals";
import { LineTail } from "../../../../../components/runtime/runner/signals/tail";

const second = 1000;
const epoch = Date.UTC(2026, 2, 14);

function exchange(start: number, live: Partial<ExchangeSide>, shadow: Partial<ExchangeSide>, more = {}): string {
  const sample: ExchangeSample = {
    flow: "tcp 203.0.113.7:40123>10.80.1.11:80",
    index: 0,
    protocol: "http1",
    live: { start: epoch + start, ...live },
    shadow: { start: epoch + start + 1, ...shadow },
    lagMilliseconds: 1,
    ...more,
  };
  return `${JSON.stringify(sample)}\n`;
}

const ok = (start: number, milliseconds: number): Partial<ExchangeSide> => ({
  end: epoch + start + milliseconds,
  status: 200,
});

describe("signals of the application", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "shadownet-signals-"));
    file = join(folder, "samples.ndjson");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const value = (
    points: SignalPoint[],
    signal: string,
    side: string,
    at: number,
    target = "service",
  ): number | undefined =>
    points.find((p) => p.signal === signal && p.side === side && p.time === epoch + at && p.target === target)?.value;

  async function follow(settings = {}): Promise<AppSignals> {
    const signals = new AppSignals({ file, stepSeconds: 1, ...settings });
    await signals.start();
    return signals;
  }

  it("puts every exchange into the step in which live got its request, and corrects it when an answer comes late", async () => {
    const signals = await follow();
    writeFileSync(file, exchange(100, ok(100, 20), { ...ok(101, 30), start: epoch + 101 }));
    assert.deepEqual(await signals.collect(epoch + 1900), [], "the step's last answers may be on their way");
    const early = await signals.collect(epoch + 2 * second);
    assert.equal(value(early, "app.latency.p50", "live", 0), 20);
    assert.equal(value(early, "app.latency.p50", "shadow", 0), 30);
    assert.equal(value(early, "app.errors", "shadow", 0), 0);
    assert.deepEqual(await signals.collect(epoch + 3 * second), [], "nothing changed");
    appendFileSync(file, exchange(200, ok(200, 20), { error: "timeout" }));
    const late = await signals.collect(epoch + 12 * second);
    assert.equal(value(late, "app.errors", "shadow", 0), 0.5);
    assert.equal(value(late, "app.requests", "shadow", 0), 2);
    await signals.stop();
  });

  it("counts server errors as errors, leaves them out of latency, and does not count what nobody saw", async () => {
    const signals = await follow();
    writeFileSync(
      file,
      exchange(0, ok(0, 10), { end: epoch + 5, status: 503 }, { equal: false }) +
        exchange(1, {}, ok(1, 40), {}) +
        exchange(2, { end: epoch + 12, status: 404 }, ok(2, 20), { equal: true }),
    );
    const points = await signals.collect(epoch + 2 * second);
    assert.equal(value(points, "app.requests", "live", 0), 2);
    assert.equal(value(points, "app.errors", "live", 0), 0);
    assert.equal(value(points, "app.errors", "shadow", 0), 1 / 3);
    assert.equal(value(points, "app.latency.p99", "shadow", 0), 40 - 1 + 0);
    assert.equal(value(points, "app.differences", "shadow", 0), 0.5);
    await signals.stop();
  });

  it("gives series per machine by the server's address, IPv4 and IPv6", async () => {
    const machineByAddress = new Map([
      ["10.80.1.11", "web-1"],
      ["2001:db8::11", "web-2"],
    ]);
    const signals = await follow({ machineByAddress });
    const six = { flow: "tcp [2001:db8::7]:40123>[2001:db8::11]:80" };
    writeFileSync(file, exchange(0, ok(0, 10), ok(0, 10)) + exchange(0, ok(0, 30), ok(0, 30), six));
    const points = await signals.collect(epoch + 2 * second);
    assert.equal(value(points, "app.latency.p50", "live", 0, "web-1"), 10);
    assert.equal(value(points, "app.latency.p50", "live", 0, "web-2"), 30);
    assert.equal(value(points, "app.requests", "live", 0), 2);
    await signals.stop();
  });

  it("takes a short silence for no requests and a long one for a gap", async () => {
    const signals = await follow();
    for (const start of [0, 3 * second, 20 * second]) {
      appendFileSync(file, exchange(start, ok(start, 5), ok(start, 5)));
    }
    const points = await signals.collect(epoch + 30 * second);
    const requests = points.filter(({ signal, side }) => signal === "app.requests" && side === "live");
    assert.deepEqual(
      requests.map(({ time, value: count }) => [(time - epoch) / second, count]),
      [
        [0, 1],
        [1, 0],
        [2, 0],
        [3, 1],
        [20, 1],
      ],
    );
    await signals.stop();
  });

  it("counts lines that are no exchanges and exchanges that come too late", async () => {
    const kept: ExchangeSample[] = [];
    const signals = await follow({ onExchanges: (samples: ExchangeSample[]) => kept.push(...samples) });
    writeFileSync(file, `{"flow": 3}\nnot json\n${exchange(0, ok(0, 1), ok(0, 1))}`);
    assert.deepEqual(await signals.collect(epoch + 100 * second), []);
    assert.deepEqual([signals.unreadable, signals.late, kept.length], [2, 1, 1]);
    await signals.stop();
  });

  it("begins at the end of a file that is already there", async () => {
    writeFileSync(file, exchange(0, ok(0, 1), ok(0, 1)));
    const signals = await follow();
    assert.deepEqual(await signals.collect(epoch + 2 * second), []);
    await signals.stop();
  });
});

describe("following a file", () => {
  let folder: string;
  let file: string;
  let tail: LineTail;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "shadownet-tail-"));
    file = join(folder, "lines");
    tail = new LineTail(file);
  });
  afterEach(async () => {
    await tail.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("waits for the file, for the rest of a line, and reads across rotation without losing the old file's end", async () => {
    assert.deepEqual(await tail.read(), []);
    writeFileSync(file, "a\nb");
    assert.deepEqual(await tail.read(), ["a"]);
    appendFileSync(file, "c\n");
    assert.deepEqual(await tail.read(), ["bc"]);
    appendFileSync(file, "last\n");
    renameSync(file, `${file}.1`);
    writeFileSync(file, "first\n");
    assert.deepEqual(await tail.read(), ["last", "first"]);
  });

  it("starts over when the file is cut to nothing", async () => {
    writeFileSync(file, "one\ntwo\n");
    assert.deepEqual(await tail.read(), ["one", "two"]);
    truncateSync(file);
    appendFileSync(file, "new\n");
    assert.deepEqual(await tail.read(), ["new"]);
  });

  it("gives up a line that never ends", async () => {
    writeFileSync(file, "x".repeat(3 * 1024 * 1024));
    assert.deepEqual(await tail.read(), []);
    assert.ok(tail.lost >= 1);
  });
});
