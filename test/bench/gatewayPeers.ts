/**
 * The same mirrored traffic through GoReplay, default and tuned: `npm run bench gatewayPeers`, as root. GoReplay 1.3.2 (the
 * last version that its Go module has) reads no VXLAN, so the kernel's VXLAN device takes the packets for it. Needs `go`
 * and libpcap's headers; without them the output says so. `RATES` and `SECONDS_EACH` choose other sizes.
 */
import { execFileSync, spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { buildMirrorLoad, offer } from "./load/mirrorLoad";
import { startNginxShadow, stopChild } from "./load/nginxShadow";

const seconds = Number(process.env["SECONDS_EACH"] ?? 10);
const rates = (process.env["RATES"] ?? "5000,10000,20000,30000").split(",").map(Number);
const shadowPort = 10_000 + (process.pid % 5_000) * 4;
const device = `gor${process.pid % 100_000}`;
const tuned =
  "--input-raw-buffer-size 64mb --input-raw-engine raw_socket --output-http-workers-min 64 --output-http-queue-len 100000";

/** Builds GoReplay from its Go module; throws where that cannot be. */
function buildGoReplay(folder: string): string {
  const env = { ...process.env, GOBIN: folder };
  execFileSync("go", ["install", "github.com/buger/goreplay@v1.3.2"], { env, stdio: ["ignore", "ignore", "pipe"] });
  return join(folder, "goreplay");
}

async function measure(
  goReplay: string,
  load: string,
  folder: string,
  rate: number,
  options: string[],
): Promise<unknown> {
  const shadow = await startNginxShadow(folder, shadowPort);
  const argv = ["--input-raw", "10.9.0.1:80", "--input-raw-promisc", "--output-http", `http://127.0.0.1:${shadowPort}`];
  const child = spawn(goReplay, [...argv, ...options], { stdio: "ignore" });
  try {
    await new Promise((done) => setTimeout(done, 2_000));
    const offered = await offer(load, { port: 4789, subnet: 8, flows: 200, rate, seconds });
    await new Promise((done) => setTimeout(done, 4_000));
    const { intact, corrupt } = await shadow.served();
    const deliveredIntactPercent = Number(((100 * intact) / offered.sent).toFixed(3));
    return {
      goReplay: options.length === 0 ? "default" : "tuned",
      rate,
      offered: offered.sent,
      deliveredIntactPercent,
      corrupt,
    };
  } finally {
    await stopChild(child);
    await shadow.stop();
    rmSync(join(folder, `nginx-${shadowPort}`), { recursive: true, force: true });
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-peers-"));
  try {
    const goReplay = process.env["GOREPLAY"] ?? buildGoReplay(folder);
    const load = buildMirrorLoad(folder);
    const tunnel = [
      "type",
      "vxlan",
      "id",
      "0",
      "local",
      "127.0.0.1",
      "remote",
      "127.0.0.1",
      "dstport",
      "4789",
      "dev",
      "lo",
    ];
    await run(["ip", "link", "add", device, ...tunnel]);
    await run(["ip", "address", "add", "10.9.0.1/32", "dev", device]);
    await run(["ip", "link", "set", device, "up"]);
    for (const options of [[], tuned.split(" ")]) {
      for (const rate of rates) console.log(JSON.stringify(await measure(goReplay, load, folder, rate, options)));
    }
  } catch (error) {
    console.log(`GoReplay cannot be measured here: ${(error as Error).message.split("\n")[0]}`);
  } finally {
    await tryRun(["ip", "link", "delete", device]);
    rmSync(folder, { recursive: true, force: true });
  }
}

void main();
