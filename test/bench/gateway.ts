/**
 * Requests delivered intact through the gateway: a source of mirrored keep-alive traffic, the gateway's process and a
 * shadow nginx that checks and counts, all on this machine. `npm run bench gateway`; `RATES`, `SECONDS_EACH`, `FLOWS`,
 * `WORKERS`, `PERCENT` and `BODY_BYTES` choose other sizes. One line of JSON for each rate; CPU is per packet offered.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { GatewayProcess, liveServer } from "./load/gatewayProcess";
import { buildMirrorLoad, offer, shortBodyBytes } from "./load/mirrorLoad";
import { startNginxShadow } from "./load/nginxShadow";

const numbers = (name: string, otherwise: string): number[] => (process.env[name] ?? otherwise).split(",").map(Number);
const seconds = numbers("SECONDS_EACH", "10")[0]!;
const percent = numbers("PERCENT", "100")[0]!;
const flows = numbers("FLOWS", "200")[0]!;
const bodyBytes = numbers("BODY_BYTES", String(shortBodyBytes))[0]!;
const basePort = 10_000 + (process.pid % 5_000) * 4;

async function measure(program: string, rate: number, workers: number): Promise<Record<string, unknown>> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
  const shadow = await startNginxShadow(folder, basePort, bodyBytes);
  const port = basePort + 2;
  try {
    const to = { [liveServer]: `127.0.0.1:${shadow.port}` };
    const gateway = await GatewayProcess.start(folder, port, { to, percent, workers });
    const warmUp = await offer(program, { port, subnet: 30, flows: 50, rate: 2_000, seconds: 3, bodyBytes });
    if (percent === 100) await gateway.until((stats) => stats.requests.answered >= warmUp.sent);
    const before = gateway.cpuMicroseconds();
    const offered = await offer(program, { port, subnet: 8, flows, rate, seconds, bodyBytes });
    await new Promise((done) => setTimeout(done, 1_500));
    const cpu = gateway.cpuMicroseconds() - before;
    const resident = gateway.residentBytes();
    const last = await gateway.stop();
    const { intact, corrupt } = await shadow.served();
    return {
      rate,
      workers,
      offeredPerSecond: Math.round(offered.sent / offered.seconds),
      offeredPacketsPerSecond: Math.round(offered.packets / offered.seconds),
      percent,
      bodyBytes,
      packetsPerExchange: Number((offered.packets / offered.sent).toFixed(1)),
      deliveredIntactPercent: Number(((100 * intact) / (offered.sent + warmUp.sent)).toFixed(3)),
      corrupt,
      replayed: last.requests.replayed,
      answered: last.requests.answered,
      equal: last.compare.equal,
      shed: last.requests.shed,
      coverage: Number(last.requests.coverage.toFixed(5)),
      kernelDrops: last.intake.kernelDrops,
      prefiltered: last.intake.prefiltered,
      packets: last.intake.packets,
      receiver: last.intake.receiver,
      cpuMicrosecondsPerPacket: Number((cpu / offered.packets).toFixed(2)),
      residentMegabytes: Math.round(resident / 1e6),
      lagMilliseconds: last.replay.lagMilliseconds,
    };
  } finally {
    await shadow.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
  try {
    const program = buildMirrorLoad(folder);
    for (const workers of numbers("WORKERS", "1")) {
      for (const rate of numbers("RATES", "5000,10000,20000,30000")) {
        console.log(JSON.stringify(await measure(program, rate, workers)));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
