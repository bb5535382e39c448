import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { TcpScript, vxlan } from "../support/capture";
import { until } from "../support/captureHarness";

const namespace = `to${process.pid}`;
const main = resolve(__dirname, "../../components/runtime/gateway/main.ts");
const [flows, requestsEach] = [1_000, 10];
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

/** Flows of requests of 1 kB, each packet behind its length. */
function burst(): { bytes: Buffer; packets: number; paths: Set<string> } {
  const paths = new Set<string>();
  const frames = Array.from({ length: flows }, (_, flow) => {
    const client = { address: "10.8.0.1", port: 10_000 + flow };
    const script = new TcpScript(client, { address: "10.9.0.1", port: 80 }).handshake();
    for (let request = 0; request < requestsEach; request++) {
      const path = `/${flow}-${request}`;
      paths.add(path);
      script.say(true, `POST ${path} HTTP/1.1\r\nHost: x\r\nContent-Length: 1000\r\n\r\n${"x".repeat(1_000)}`);
      script.say(false, ok).acknowledge(true);
    }
    return script.close().frames;
  }).flat();
  const parts = frames.flatMap((frame) => {
    const packet = vxlan(frame);
    const length = Buffer.alloc(2);
    length.writeUInt16BE(packet.length);
    return [length, packet];
  });
  return { bytes: Buffer.concat(parts), packets: frames.length, paths };
}

const sender = `
  const bytes = require("node:fs").readFileSync(process.argv[1]);
  const socket = require("node:dgram").createSocket("udp4");
  (async () => {
    for (let at = 0; at < bytes.length;) {
      const end = at + 2 + bytes.readUInt16BE(at);
      await new Promise((done) => socket.send(bytes.subarray(at + 2, end), 4789, "127.0.0.1", done));
      at = end;
    }
    socket.close();
  })();`;

const server = `
  const { appendFileSync, writeFileSync } = require("node:fs");
  require("node:http").createServer((request, response) => {
    request.resume().on("end", () => {
      appendFileSync(process.argv[1], request.url + "\\n");
      response.end();
    });
  }).listen(9080, "127.0.0.1", () => writeFileSync(process.argv[1], ""));`;

describe("gateway whose socket overflows", function () {
  this.timeout(180_000);
  let folder: string;
  const children: ChildProcess[] = [];

  const start = (...argv: string[]): ChildProcess => {
    const child = spawn("ip", ["netns", "exec", namespace, ...argv], { stdio: ["ignore", "ignore", "inherit"] });
    children.push(child);
    return child;
  };

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-overflow-"));
    await run(["ip", "netns", "add", namespace]);
    await run(["ip", "-n", namespace, "link", "set", "lo", "up"]);
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    await tryRun(["ip", "netns", "delete", namespace]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("counts every packet that the kernel dropped, and what it says of coverage at least is true", async () => {
    const config = {
      intake: "vxlan:127.0.0.1:4789",
      to: { "10.9.0.1:80": "127.0.0.1:9080" },
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
    };
    const log = join(folder, "requests");
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const { bytes, packets, paths } = burst();
    writeFileSync(join(folder, "burst"), bytes);
    start(process.execPath, "-e", server, log);
    // Without the right to exceed the system's bound, the kernel grants a small buffer.
    const drop = ["setpriv", "--bounding-set=-net_admin", "--inh-caps=-net_admin", "--"];
    const gateway = start(...drop, process.execPath, "--import=tsx", main, join(folder, "config.json"));
    await until("gateway and server run", () => existsSync(config.stats) && existsSync(log));
    const stats = (): GatewayStats => JSON.parse(readFileSync(config.stats, "utf8")) as GatewayStats;
    const { asked, granted } = stats().intake.receiveBufferBytes;
    assert.ok(granted < asked && granted < bytes.length, `the kernel granted ${granted} bytes`);
    gateway.kill("SIGSTOP");
    await run(["ip", "netns", "exec", namespace, process.execPath, "-e", sender, join(folder, "burst")]);
    gateway.kill("SIGCONT");
    const seen = (): number => stats().intake.packets + (stats().intake.kernelDrops ?? 0);
    await until("each packet was taken or dropped", () => seen() >= packets, 60_000);
    const ended = new Promise((done) => gateway.once("exit", done));
    gateway.kill("SIGTERM");
    await ended;
    const { intake, requests } = stats();
    const served = readFileSync(log, "utf8").split("\n").slice(0, -1);
    assert.equal(intake.packets + intake.kernelDrops!, packets);
    assert.ok(intake.kernelDrops! > 1_000 && requests.replayed > 100, JSON.stringify({ intake, requests }));
    assert.equal(new Set(served).size, served.length);
    assert.ok(served.every((path) => paths.has(path)));
    assert.deepEqual([served.length, requests.answered], [requests.replayed, requests.replayed]);
    const truth = served.length / paths.size;
    assert.equal(requests.coverageAtLeast, requests.replayed / (requests.onWire + intake.kernelDrops!));
    assert.ok(requests.coverageAtLeast < requests.coverage && requests.coverageAtLeast <= truth, `${truth} is true`);
  });
});
