/**
 * Requests delivered intact through the gateway: a generator of mirrored keep-alive traffic, the gateway's process and a
 * counting shadow server, all on this machine. Run: `node --import=tsx test/bench/gateway.ts [SECONDS]`; one JSON line per rate.
 */
import { type ChildProcess, fork, spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createServer } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { tcpFrame, vxlan } from "../support/capture";

const response = "HTTP/1.1 200 OK\r\nContent-Length: 64\r\n\r\n" + "r".repeat(64);
const requestOf = (id: string): string => `GET /item/${id} HTTP/1.1\r\nHost: shop.example\r\nX-Id: ${id}\r\n\r\n`;
const server = { address: "10.9.0.1", port: 80 };

/** Counts whole requests and those whose two ids disagree; answers each with a fixed response. */
function shadowServer(): void {
  let intact = 0;
  let corrupt = 0;
  const listening = createServer({ noDelay: true }, (socket) => {
    let rest = "";
    socket.on("error", () => undefined);
    socket.on("data", (chunk) => {
      const parts = (rest + chunk.toString("latin1")).split("\r\n\r\n");
      rest = parts.pop() ?? "";
      for (const part of parts) {
        const match = /^GET \/item\/(\S+) HTTP\/1\.1\r\nHost: shop\.example\r\nX-Id: (\S+)$/.exec(part);
        if (match !== null && match[1] === match[2]) intact++;
        else corrupt++;
      }
      socket.write(response.repeat(parts.length));
    });
  });
  listening.listen(0, "127.0.0.1", () => process.send?.({ port: (listening.address() as { port: number }).port }));
  process.on("message", () => process.send?.({ intact, corrupt }));
}

/** Sends `rate` exchanges a second for some seconds over long flows, three packets each, and says how many it sent. */
function generator(port: number, rate: number, seconds: number, subnet: number): void {
  const socket = createSocket({ type: "udp4", sendBufferSize: 8 << 20 });
  const state = Array.from({ length: Number(process.env["FLOWS"] ?? 200) }, (_, index) => ({
    client: { address: `10.${subnet}.${index >> 8}.${index & 255}`, port: 20_000 + index },
    clientNext: 1,
    serverNext: 1,
  }));
  let sent = 0;
  let packets = 0;
  let pending = 0;
  const send = (frame: Buffer): void => {
    packets++;
    pending++;
    socket.send(vxlan(frame), port, "127.0.0.1", () => pending--);
  };
  for (const { client } of state) {
    send(tcpFrame({ from: client, to: server, sequence: 0, acknowledgement: 0, flags: "S" }));
    send(tcpFrame({ from: server, to: client, sequence: 0, acknowledgement: 1, flags: "SA" }));
  }
  const exchange = (): void => {
    const flow = state[sent % state.length]!;
    const { client } = flow;
    const request = Buffer.from(requestOf(String(sent++)));
    const [sequence, acknowledgement] = [flow.clientNext, flow.serverNext];
    send(tcpFrame({ from: client, to: server, sequence, acknowledgement, flags: "PA", payload: request }));
    flow.clientNext += request.length;
    const answer = Buffer.from(response);
    const back = { from: server, to: client, sequence: flow.serverNext, acknowledgement: flow.clientNext };
    send(tcpFrame({ ...back, flags: "PA", payload: answer }));
    flow.serverNext += answer.length;
    send(
      tcpFrame({ from: client, to: server, sequence: flow.clientNext, acknowledgement: flow.serverNext, flags: "A" }),
    );
  };
  const began = process.hrtime.bigint();
  const timer = setInterval(() => {
    const elapsed = Number(process.hrtime.bigint() - began) / 1e9;
    const due = Math.min(elapsed, seconds) * rate;
    for (let burst = 0; sent < due && burst < rate / 20; burst++) exchange();
    if (elapsed < seconds || pending > 0) return;
    clearInterval(timer);
    process.send?.({ sent, packets, seconds: elapsed });
    socket.close();
  }, 1);
}

function message<T>(child: ChildProcess): Promise<T> {
  return new Promise((done) => child.once("message", (value) => done(value as T)));
}

async function measure(rate: number, seconds: number): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
  const shadow = fork(__filename, ["shadow"]);
  const { port: shadowPort } = await message<{ port: number }>(shadow);
  const port = 20_000 + (process.pid % 20_000);
  const config = {
    intake: `vxlan:127.0.0.1:${port}`,
    to: { "10.9.0.1:80": `127.0.0.1:${shadowPort}` },
    stats: join(folder, "stats.json"),
    samples: join(folder, "samples.ndjson"),
  };
  writeFileSync(join(folder, "config.json"), JSON.stringify(config));
  const main = resolve(process.env["GATEWAY_MAIN"] ?? join(__dirname, "../../dist/components/runtime/gateway/main.js"));
  const gateway = spawn(
    process.execPath,
    [
      ...(process.env["GATEWAY_NODE_OPTIONS"] ?? "").split(" ").filter((option) => option !== ""),
      main,
      join(folder, "config.json"),
    ],
    { stdio: "inherit" },
  );
  const stats = (): GatewayStats => JSON.parse(readFileSync(config.stats, "utf8")) as GatewayStats;
  for (;;) {
    await new Promise((done) => setTimeout(done, 200));
    try {
      stats();
      break;
    } catch {
      continue;
    }
  }
  const warmUp = await message<{ sent: number }>(fork(__filename, ["generator", String(port), "1000", "3", "30"]));
  await new Promise((done) => setTimeout(done, 2_500));
  const warm = stats();
  const sender = fork(__filename, ["generator", String(port), String(rate), String(seconds), "8"]);
  const offered = await message<{ sent: number; packets: number; seconds: number }>(sender);
  await new Promise((done) => setTimeout(done, 2_500));
  const peak = stats();
  gateway.kill("SIGTERM");
  await new Promise((done) => gateway.once("exit", done));
  const counted = message<{ intact: number; corrupt: number }>(shadow);
  shadow.send("count");
  const { intact, corrupt } = await counted;
  shadow.kill();
  const last = stats();
  rmSync(folder, { recursive: true, force: true });
  return {
    rate,
    offeredPerSecond: Math.round(offered.sent / offered.seconds),
    deliveredIntactPercent: Number(((100 * intact) / (offered.sent + warmUp.sent)).toFixed(3)),
    corrupt,
    coverage: Number(last.requests.coverage.toFixed(5)),
    kernelDrops: peak.intake.kernelDrops,
    receiver: peak.intake.receiver ?? "datagram",
    cpuMicrosecondsPerPacket: Number(
      ((peak.process.cpuMicroseconds - warm.process.cpuMicroseconds) / offered.packets).toFixed(2),
    ),
    residentMegabytes: Math.round(peak.process.residentBytes / 1e6),
    lagMilliseconds: last.replay.lagMilliseconds,
    receiveBufferBytes: last.intake.receiveBufferBytes.granted,
  };
}

async function main(): Promise<void> {
  const [role, ...args] = process.argv.slice(2);
  if (role === "shadow") shadowServer();
  else if (role === "generator") generator(Number(args[0]), Number(args[1]), Number(args[2]), Number(args[3]));
  else {
    for (const rate of (process.env["RATES"] ?? "5000,10000,20000,30000").split(",").map(Number)) {
      console.log(JSON.stringify(await measure(rate, Number(role ?? 5))));
    }
  }
}

void main();
