/**
 * The same mirrored traffic through the gateway (one worker, two) and GoReplay (default, tuned), at each rate one after
 * the other: `npm run bench gatewayPeers`, as root. GoReplay 1.3.2 (the last version that its Go module has) reads no
 * VXLAN, so the kernel's VXLAN device takes the packets for it. Needs `go` and libpcap's headers, or a built program in
 * `GOREPLAY`; without them the output says so. `RATES`, `SECONDS_EACH` and `GOREPLAY_OPTIONS` (the tuning) choose others.
 */
import { spawn } from "node:child_process";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { compile } from "./load/compile";
import { measureDelivery, type Candidate, type Place } from "./load/delivery";
import { startGateway } from "./load/gatewayProcess";
import { interruption, pause, runBench } from "./load/interruption";
import { offer, type Load } from "./load/mirrorLoad";
import { stopChild } from "./load/nginxShadow";
import { sizes } from "./load/sizes";

const device = `gor${process.pid % 100_000}`;
const devicePort = 4789;
const tuning =
  process.env["GOREPLAY_OPTIONS"] ??
  "--input-raw-buffer-size 512mb --output-http-workers 32 --output-http-workers-min 32 --output-http-queue-len 1000000";

/** The program that is given, or one built from its Go module; undefined, and said so, where that cannot be. */
async function goReplayProgram(folder: string): Promise<string | undefined> {
  const given = process.env["GOREPLAY"];
  if (given !== undefined) return given;
  try {
    const options = { env: { GOBIN: folder }, timeoutMilliseconds: 1_200_000, signal: interruption };
    await run(["go", "install", "github.com/buger/goreplay@v1.3.2"], options);
    return join(folder, "goreplay");
  } catch (error) {
    interruption.throwIfAborted();
    console.log(`GoReplay cannot be had here: ${(error as Error).message.split("\n")[0]}`);
    return undefined;
  }
}

/** The kernel's VXLAN device, which unpacks for a program that cannot. */
async function addDevice(): Promise<void> {
  const ends = ["id", "0", "local", "127.0.0.1", "remote", "127.0.0.1", "dstport", String(devicePort), "dev", "lo"];
  await run(["ip", "link", "add", device, "type", "vxlan", ...ends]);
  await run(["ip", "address", "add", "10.9.0.1/32", "dev", device]);
  await run(["ip", "link", "set", device, "up"]);
}

async function startGoReplay(program: string, options: readonly string[], place: Place): Promise<Candidate> {
  const to = `http://127.0.0.1:${place.shadowPort}`;
  const argv = ["--input-raw", "10.9.0.1:80", "--input-raw-promisc", "--output-http", to, ...options];
  const child = spawn(program, argv, { stdio: "ignore", signal: interruption });
  child.on("error", () => undefined);
  await pause(2_000);
  return {
    pid: child.pid!,
    settle: () => pause(2_000),
    stop: async () => {
      await stopChild(child);
      return {};
    },
  };
}

async function measureAll(source: string, goReplay: string | undefined, rate: number): Promise<void> {
  const send = (load: Load, port = load.port): ReturnType<typeof offer> => offer([source], { ...load, port });
  for (const workers of [1, 2]) {
    const start = (place: Place): Promise<Candidate> => startGateway(place, { workers });
    const figures = await measureDelivery({ rate, offer: send, start, untilStill: true });
    console.log(JSON.stringify({ program: `gateway, workers: ${workers}`, ...figures }));
  }
  if (goReplay === undefined) return;
  for (const [name, options] of [["default", []] as const, ["tuned", tuning.split(" ")] as const]) {
    const start = (place: Place): Promise<Candidate> => startGoReplay(goReplay, options, place);
    const toDevice = (load: Load): ReturnType<typeof offer> => send(load, devicePort);
    const figures = await measureDelivery({ rate, offer: toDevice, start, untilStill: true });
    console.log(JSON.stringify({ program: `GoReplay, ${name}`, ...figures }));
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-peers-"));
  try {
    const goReplay = await goReplayProgram(folder);
    const source = compile("mirrorLoad", folder);
    if (goReplay !== undefined) await addDevice();
    for (const rate of sizes.rates) await measureAll(source, goReplay, rate);
  } finally {
    await tryRun(["ip", "link", "delete", device]);
    rmSync(folder, { recursive: true, force: true });
  }
}

void runBench(main);
