import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ExchangeSample } from "../../../../components/runtime/gateway/exchange";
import { renderHtml } from "../../../../components/runtime/report/html";
import { renderJUnit } from "../../../../components/runtime/report/junit";
import { renderTable } from "../../../../components/runtime/report/table";
import type { SignalPoint } from "../../../../components/runtime/runner/driver";
import { halt, isHalted } from "../../../../components/runtime/runner/halt";
import { lockShadow } from "../../../../components/runtime/runner/lock";
import { ownIdentity } from "../../../../components/runtime/runner/processes";
import { newRunId } from "../../../../components/runtime/runner/runId";
import { createStore, loadRun, openStore } from "../../../../components/runtime/runner/store";

const point = (time: number, value: number, side: SignalPoint["side"] = "shadow"): SignalPoint => ({
  signal: "app.errors",
  target: "service",
  side,
  time,
  value,
});

describe("the sample store", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "shadownet-store-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("keeps the later of two points for the same time, and finds points by filter", () => {
    const store = createStore(folder);
    store.add([point(2000, 0.5), point(1000, 0.1), point(1000, 0.2, "live")]);
    store.add([point(1000, 0.9)]);
    assert.deepEqual(store.points({ side: "shadow" }), [point(1000, 0.9), point(2000, 0.5)]);
    assert.deepEqual(store.points({ from: 1500, to: 2000 }), []);
    assert.equal(store.points({ signal: "app.errors", target: "service", from: 1000, to: 2000 }).length, 2);
    store.close();
  });

  it("is one file when closed, and gives the raw exchanges back", () => {
    const store = createStore(folder);
    const exchanges: ExchangeSample[] = [0, 1, 2].map((index) => ({
      flow: "tcp 10.0.0.1:1>10.0.0.2:80",
      index,
      protocol: "http1",
      live: { start: index, end: index + 1 },
      shadow: { start: index },
      lagMilliseconds: 0.5,
    }));
    assert.equal(store.addExchanges(exchanges.slice(0, 2)), true);
    store.addExchanges(exchanges.slice(2));
    store.close();
    assert.deepEqual(readdirSync(folder), ["samples.sqlite"]);
    const reader = openStore(folder);
    assert.deepEqual([...reader.exchanges()], exchanges);
    reader.close();
  });

  it("keeps raw exchanges only up to its limit, and points beyond it", () => {
    const store = createStore(folder, 120);
    const exchange: ExchangeSample = {
      flow: "f",
      index: 0,
      protocol: "raw",
      live: { start: 0 },
      shadow: { start: 0 },
      lagMilliseconds: 0,
    };
    assert.equal(store.addExchanges([exchange]), true);
    assert.equal(store.addExchanges([exchange]), false);
    store.add([point(1, 1)]);
    assert.equal([...store.exchanges()].length, 1);
    assert.equal(store.points().length, 1);
    store.close();
  });

  it("says where it looked when there is nothing", () => {
    assert.throws(() => openStore(join(folder, "none")), /no samples in .*none\/samples\.sqlite/);
  });
});

describe("locks and the halt switch", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "shadownet-lock-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("takes over the lock of a process that is gone, also when its number was given to another", () => {
    lockShadow(folder, "shop", "run-1")();
    const file = join(folder, "locks", "shop.json");
    for (const stale of [
      { ...ownIdentity(), pid: 4_194_304 },
      { ...ownIdentity(), startTime: "1" },
    ]) {
      writeFileSync(file, JSON.stringify({ ...stale, run: "old", since: "" }));
      lockShadow(folder, "shop", "run-2")();
    }
    writeFileSync(file, "half a re");
    const unlock = lockShadow(folder, "shop", "run-3");
    assert.throws(() => lockShadow(folder, "shop", "run-4"), /in use by run run-3/);
    lockShadow(folder, "other", "run-5")();
    unlock();
    assert.deepEqual(readdirSync(join(folder, "locks")), []);
  });

  it("counts a halt switch that cannot be read as pulled", async () => {
    assert.equal(isHalted(folder), undefined);
    await halt(folder, "reason");
    assert.equal(isHalted(folder)?.reason, "reason");
    writeFileSync(join(folder, "halt.json"), "{");
    assert.match(isHalted(folder)!.reason, /nothing readable/);
  });

  it("names runs so that they sort by time", () => {
    const early = newRunId(new Date("2026-03-14T09:26:53Z"));
    assert.match(early, /^20260314-092653-[0-9a-f]{4}$/);
    assert.ok(early < newRunId(new Date("2026-03-14T09:26:54Z")));
  });
});

describe("a run whose process is killed", () => {
  let folder: string;
  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "shadownet-killed-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("leaves a journal and samples that can be read and say that it was cut", async function () {
    this.timeout(60_000);
    const child = spawn(process.execPath, ["--import=tsx", join(__dirname, "killedRun.ts"), folder], {
      stdio: ["ignore", "pipe", "inherit"],
    });
    await line(child, "fault-started");
    child.kill("SIGKILL");
    await new Promise((resolve) => child.on("exit", resolve));
    const { journal, points } = await loadRun(join(folder, "runs", "run-1"));
    assert.equal(journal.status, "interrupted");
    assert.match(journal.statusReason!, /cut off/);
    assert.equal(journal.experiments[0]!.faults[0]!.windows.length, 1);
    assert.ok(journal.phases.every(({ endedAt }) => endedAt !== undefined));
    assert.ok(points.length > 100, `${points.length} points`);
    lockShadow(join(folder, "state"), "shop", "next")();
    const page = renderHtml({ journal, points });
    assert.match(page, /This run was cut short \(interrupted\)/);
    assert.match(page, /<svg/, "what was measured until then is drawn");
    assert.match(renderTable({ journal, points }), /There is no verdict: .*cut off/);
    assert.match(renderJUnit({ journal, points }), /<error/);
  });
});

function line(child: ChildProcess, wanted: string): Promise<void> {
  return new Promise((resolve, reject) => {
    let text = "";
    child.stdout!.on("data", (bytes: Buffer) => {
      text += bytes.toString();
      if (text.includes(wanted)) resolve();
    });
    child.on("exit", () => reject(new Error(`it ended before it said ${wanted}: ${text}`)));
  });
}
