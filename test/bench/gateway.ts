/**
 * Requests delivered intact through the gateway: a source of mirrored keep-alive traffic, the gateway's process and a
 * shadow nginx that checks and counts, all on this machine. `npm run bench gateway`; `RATES`, `SECONDS_EACH`, `FLOWS`,
 * `WORKERS`, `PERCENT` and `BODY_BYTES` choose other sizes. One line of JSON for each rate; CPU is per packet offered.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { compile } from "./load/compile";
import { measureDelivery } from "./load/delivery";
import { startGateway } from "./load/gatewayProcess";
import { runBench } from "./load/interruption";
import { offer } from "./load/mirrorLoad";
import { numbers, sizes } from "./load/sizes";

const percent = numbers("PERCENT", "100")[0]!;

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-bench-"));
  try {
    const source = compile("mirrorLoad", folder);
    for (const workers of numbers("WORKERS", "1")) {
      for (const rate of sizes.rates) {
        const trial = { rate, offer: offer.bind(undefined, [source]) };
        console.log(
          JSON.stringify(
            await measureDelivery({ ...trial, start: (place) => startGateway(place, { percent, workers }) }),
          ),
        );
      }
    }
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

void runBench(main);
