/**
 * The gateway with tcpreplay as the source of packets, beside the benches' own source: `npm run bench gatewayTcpreplay`,
 * as root. Every packet of a run is written to a capture file beforehand, with its own sequence numbers and identifiers,
 * and is played from a network namespace over a veth pair whose other end the gateway listens at. The own source takes
 * the same way. `RATES`, `SECONDS_EACH` and `FLOWS` choose other sizes; the output says so when tcpreplay is not there.
 */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { compile } from "./load/compile";
import { measureDelivery, measuredSubnet, type Candidate, type Place } from "./load/delivery";
import { evenness } from "./load/evenness";
import { startGateway } from "./load/gatewayProcess";
import { interruption, runBench } from "./load/interruption";
import { offer, writeCapture, type Load, type Offered } from "./load/mirrorLoad";
import { sizes } from "./load/sizes";

const namespace = `bench${process.pid}source`;
const receiver = `mir${process.pid}`;
/** From the range for benchmarks (RFC 2544); the capture file's sender is the address before it. */
const [sender, address] = ["198.18.57.1", "198.18.57.2"];
const within = ["ip", "netns", "exec", namespace];

/** The pair that the packets cross; the receiver has the hardware address that the capture files name. */
async function addCable(): Promise<void> {
  await run(["ip", "netns", "add", namespace]);
  const [ends, far] = [
    ["link", "add", receiver, "address", "02:00:00:00:00:02", "type", "veth"],
    ["netns", namespace],
  ];
  await run(["ip", ...ends, "peer", "name", "source", "address", "02:00:00:00:00:01", ...far]);
  await run(["ip", "address", "add", `${address}/30`, "dev", receiver]);
  await run(["ip", "link", "set", receiver, "mtu", "1600", "up"]);
  await run([...within, "ip", "address", "add", `${sender}/30`, "dev", "source"]);
  await run([...within, "ip", "link", "set", "source", "mtu", "1600", "up"]);
}

const captureFile = (folder: string, load: Load): string => join(folder, `${load.subnet}.pcap`);

/** What tcpreplay says of itself. */
interface Played {
  packetsPerSecond: number;
  failedPackets: number;
}

/**
 * Plays a file at an even rate, read into memory first. Not at the file's own times: of packets that are due at the same
 * moment tcpreplay makes each wait, so that it falls behind (`README.md`).
 */
async function play(file: string, packetsPerSecond: number): Promise<Played> {
  const options = ["--preload-pcap", "--timer=nano", `--pps=${packetsPerSecond}`, "--no-flow-stats", "--intf1=source"];
  const text = await run([...within, "tcpreplay", ...options, file], { signal: interruption });
  const number = (pattern: RegExp): number => Number(pattern.exec(text)?.[1]);
  return { packetsPerSecond: number(/([\d.]+) pps/), failedPackets: number(/Failed packets:\s+(\d+)/) };
}

async function startOnCable(place: Place, rate: number): Promise<Candidate> {
  const gateway = await startGateway(place, { intake: `vxlan:${address}:${place.port}` });
  const stop = async (): Promise<Record<string, unknown>> => {
    const own = await gateway.stop();
    return { ...own, ...evenness(join(place.folder, `samples-${place.port}.ndjson`), measuredSubnet, rate) };
  };
  return { ...gateway, stop };
}

async function measureOwn(source: string, rate: number): Promise<void> {
  const send = (load: Load): Promise<Offered> => offer([...within, source], { ...load, address });
  const figures = await measureDelivery({ rate, offer: send, start: (place) => startOnCable(place, rate) });
  console.log(JSON.stringify({ source: "own", ...figures }));
}

async function measureTcpreplay(folder: string, source: string, rate: number): Promise<void> {
  const written = new Map<Load, Offered>();
  let failedPackets = 0;
  const figures = await measureDelivery({
    rate,
    prepare: async (load) => {
      written.set(load, await writeCapture(source, { ...load, address }, captureFile(folder, load)));
    },
    offer: async (load) => {
      const { sent, packets } = written.get(load)!;
      const played = await play(captureFile(folder, load), load.rate * Math.floor(packets / sent));
      failedPackets += played.failedPackets;
      return { sent, packets, seconds: packets / played.packetsPerSecond };
    },
    start: (place) => startOnCable(place, rate),
  });
  console.log(JSON.stringify({ source: "tcpreplay", ...figures, failedPackets }));
}

/** Its version; undefined, and said so, where it is not installed. */
async function tcpreplayVersion(): Promise<string | undefined> {
  try {
    const { stdout, stderr } = await tryRun(["tcpreplay", "--version"]);
    return (stdout + stderr).split("\n")[0];
  } catch {
    console.log("tcpreplay cannot be had here; `npm run setup -- --bench` installs it");
    return undefined;
  }
}

async function main(): Promise<void> {
  const folder = mkdtempSync(join(tmpdir(), "gateway-tcpreplay-"));
  try {
    const version = await tcpreplayVersion();
    if (version !== undefined) console.log(version);
    const source = compile("mirrorLoad", folder);
    await addCable();
    for (const rate of sizes.rates) {
      await measureOwn(source, rate);
      if (version !== undefined) await measureTcpreplay(folder, source, rate);
    }
  } finally {
    await tryRun(["ip", "link", "delete", receiver]);
    await tryRun(["ip", "netns", "delete", namespace]);
    rmSync(folder, { recursive: true, force: true });
  }
}

void runBench(main);
