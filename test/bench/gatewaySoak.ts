/**
 * Memory of the gateway at 5,000 open flows over ten minutes: `npm run bench gatewaySoak`. Connections are closed and
 * opened again all the time. `SOAK_SECONDS`, `SOAK_FLOWS` and `SOAK_RATE` choose other sizes. One line of JSON every half
 * minute, and one at the end.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compile } from "./load/compile";
import { GatewayProcess, liveServer } from "./load/gatewayProcess";
import { runBench } from "./load/interruption";
import { offer } from "./load/mirrorLoad";
import { startNginxShadow } from "./load/nginxShadow";
import { ownBytes, residentBytes } from "./load/processFigures";

const seconds = Number(process.env["SOAK_SECONDS"] ?? 600);
const flows = Number(process.env["SOAK_FLOWS"] ?? 5_000);
const rate = Number(process.env["SOAK_RATE"] ?? 2_000);
const port = 10_000 + (process.pid % 5_000) * 4;

const megabytes = (bytes: number): number => Number((bytes / 1e6).toFixed(1));
const largest = (values: readonly number[]): number => megabytes(values.reduce((a, b) => Math.max(a, b), 0));

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-soak-"));
  const shadow = await startNginxShadow(folder, port);
  const gateway = await GatewayProcess.start(folder, port + 2, { to: { [liveServer]: `127.0.0.1:${port}` } });
  const resident: number[] = [];
  const own: number[] = [];
  const began = Date.now();
  const timer = setInterval(() => {
    resident.push(residentBytes(gateway.pid));
    own.push(ownBytes(gateway.pid));
    if (resident.length % 30 !== 0) return;
    const { flows: open, requests } = gateway.stats();
    const after = Math.round((Date.now() - began) / 1_000);
    const now = { megabytes: megabytes(resident.at(-1)!), ownMegabytes: megabytes(own.at(-1)!) };
    console.log(JSON.stringify({ after, ...now, open: open.open, ...requests }));
  }, 1_000);
  try {
    const program = compile("mirrorLoad", folder);
    const offered = await offer([program], { port: port + 2, subnet: 8, flows, rate, seconds, perFlow: 50 });
    clearInterval(timer);
    const last = await gateway.stop();
    const { intact, corrupt } = await shadow.served();
    const fifth = Math.floor(resident.length / 5);
    console.log(
      JSON.stringify({
        seconds,
        flows,
        rate,
        offered: offered.sent,
        deliveredIntactPercent: Number(((100 * intact) / offered.sent).toFixed(3)),
        corrupt,
        coverage: last.requests.coverage,
        connections: last.replay.connections,
        kernelDrops: last.intake.kernelDrops,
        mostMegabytes: largest(resident),
        mostInSecondFifth: largest(resident.slice(fifth, 2 * fifth)),
        mostInLastFifth: largest(resident.slice(-fifth)),
        mostOwnMegabytes: largest(own),
        cpuSecondsPerSecond: Number((last.process.cpuMicroseconds / 1e6 / seconds).toFixed(4)),
      }),
    );
  } finally {
    clearInterval(timer);
    await gateway.stop();
    await shadow.stop();
    rmSync(folder, { recursive: true, force: true });
  }
}

void runBench(main);
