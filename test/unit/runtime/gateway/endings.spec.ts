import assert from "node:assert/strict";
import { execFileSync, spawn, type ChildProcess } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { gatewayStatsSchema, type GatewayStats } from "../../../../components/runtime/gateway/statsSchema";
import { TcpScript, vxlan } from "../../../support/capture";
import { freeDatagramPort, RecordingServer, until } from "../../../support/captureHarness";

const runtime = resolve(__dirname, "../../../../components/runtime");

describe("gateway: the end of its process", () => {
  let folder: string;
  let child: ChildProcess | undefined;

  const start = (...args: string[]): { process: ChildProcess; ended: Promise<number | null> } => {
    child = spawn(process.execPath, ["--import", "tsx", ...args], { stdio: ["ignore", "ignore", "pipe"] });
    return { process: child, ended: new Promise((done) => child!.on("exit", done)) };
  };
  const stats = (): GatewayStats =>
    gatewayStatsSchema.parse(JSON.parse(readFileSync(join(folder, "stats.json"), "utf8")));

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gateway-endings-"));
  });

  afterEach(() => {
    child?.kill("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
  });

  it("drains also when a process group and who hands the signal on both tell it to end", async function () {
    this.timeout(60_000);
    const silent = await RecordingServer.start(() => undefined);
    const port = await freeDatagramPort();
    const config = {
      intake: `vxlan:127.0.0.1:${port}`,
      to: { "10.9.0.1:80": `127.0.0.1:${silent.port}` },
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const { process: gateway, ended } = start(join(runtime, "gateway/main.ts"), join(folder, "config.json"));
    gateway.stderr!.resume();
    await until("statistics are there", () => existsSync(config.stats), 30_000);
    const script = new TcpScript({ address: "10.8.0.1", port: 4_000 }, { address: "10.9.0.1", port: 80 });
    const sender = createSocket("udp4");
    for (const frame of script.handshake().say(true, "GET / HTTP/1.1\r\n\r\n").frames) {
      await new Promise((done) => sender.send(vxlan(frame), port, "127.0.0.1", done));
    }
    sender.close();
    await until("the request is there", () => silent.received.length === 1);
    gateway.kill("SIGTERM");
    await new Promise((done) => setTimeout(done, 100));
    gateway.kill("SIGTERM");
    assert.equal(await ended, 0);
    assert.deepEqual([stats().requests.replayed, stats().requests.failed], [1, { timeout: 1 }]);
    assert.equal(readFileSync(config.samples, "utf8").split("\n").length, 2);
    await silent.stop();
  });

  for (const isOpen of [true, false]) {
    it(`ends while it waits for a pipe that nobody ${isOpen ? "writes to" : "has opened"}`, async function () {
      this.timeout(60_000);
      const pipe = join(folder, "pipe");
      execFileSync("mkfifo", [pipe]);
      const files = { stats: join(folder, "stats.json"), samples: join(folder, "samples.ndjson") };
      writeFileSync(join(folder, "config.json"), JSON.stringify({ ...files, fromFile: pipe }));
      const { process: gateway, ended } = start(join(runtime, "gateway/main.ts"), join(folder, "config.json"));
      gateway.stderr!.resume();
      const writer = isOpen ? await open(pipe, "w") : undefined;
      await until("statistics are there", () => existsSync(files.stats), 30_000);
      await new Promise((done) => setTimeout(done, 300));
      gateway.kill("SIGTERM");
      const late = new Promise((done) => setTimeout(() => done("late"), 8_000).unref());
      assert.equal(await Promise.race([ended, late]), 0);
      await writer?.close();
    });
  }
});
