/**
 * What the gateway's work costs at least: the same packets to the gateway and to a program that does only what the kernel
 * demands (`load/gatewayFloor.c`), in turns. `npm run bench gatewayFloor`; `RATES`, `SECONDS_EACH`, `FLOWS` and `PAUSE`
 * (microseconds between two looks at the sockets; the gateway's are 1,000) choose other sizes. One line of JSON for each,
 * and one for their ratio.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compile } from "./load/compile";
import { measureDelivery } from "./load/delivery";
import { startFloor } from "./load/gatewayFloor";
import { startGateway } from "./load/gatewayProcess";
import { runBench } from "./load/interruption";
import { offer } from "./load/mirrorLoad";
import { numbers, sizes } from "./load/sizes";

const pauses = numbers("PAUSE", "1000");

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-floor-"));
  try {
    const [source, floor] = [compile("mirrorLoad", folder), compile("gatewayFloor", folder)];
    for (const rate of sizes.rates) {
      const trial = { rate, offer: offer.bind(undefined, [source]) };
      const gateway = await measureDelivery({ ...trial, start: (place) => startGateway(place, {}) });
      console.log(JSON.stringify({ program: "gateway", ...gateway }));
      for (const pauseMicroseconds of pauses) {
        const least = await measureDelivery({
          ...trial,
          start: (place) => startFloor(floor, place, pauseMicroseconds),
        });
        console.log(JSON.stringify({ program: "floor", pauseMicroseconds, ...least }));
        const ratio = gateway.cpuMicrosecondsPerPacket / least.cpuMicrosecondsPerPacket;
        console.log(JSON.stringify({ rate, pauseMicroseconds, gatewayToFloor: Number(ratio.toFixed(2)) }));
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void runBench(main);
