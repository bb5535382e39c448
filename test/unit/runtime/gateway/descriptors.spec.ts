import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { gatewayStatsSchema, type GatewayStats } from "../../../../components/runtime/gateway/statsSchema";
import { TcpScript, vxlan } from "../../../support/capture";
import { freeDatagramPort, RecordingServer, until } from "../../../support/captureHarness";

const main = resolve(__dirname, "../../../../components/runtime/gateway/main.ts");
const flows = 200;

describe("gateway: with few descriptors", () => {
  it("sheds the flows that it has no sockets for, counts them, and goes on", async function () {
    this.timeout(60_000);
    const folder = mkdtempSync(join(tmpdir(), "gateway-descriptors-"));
    const shadow = await RecordingServer.start(() => undefined);
    const port = await freeDatagramPort();
    const stats = join(folder, "stats.json");
    const config = {
      intake: `vxlan:127.0.0.1:${port}`,
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      stats,
      samples: join(folder, "samples.ndjson"),
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    const program = [process.execPath, "--import", "tsx", main, join(folder, "config.json")];
    const child = spawn("bash", ["-c", 'ulimit -n 100; exec "$0" "$@"', ...program], {
      stdio: ["ignore", "inherit", "pipe"],
    });
    let said = "";
    child.stderr.on("data", (text: Buffer) => (said += text.toString()));
    const ended = new Promise<number | null>((done) => child.on("exit", done));
    const read = (): GatewayStats => gatewayStatsSchema.parse(JSON.parse(readFileSync(stats, "utf8")));
    const sender = createSocket("udp4");
    try {
      await until("statistics are there", () => existsSync(stats), 30_000);
      for (let client = 0; client < flows; client++) {
        const script = new TcpScript({ address: "10.8.0.1", port: 20_000 + client }, { address: "10.9.0.1", port: 80 });
        for (const frame of script.handshake().say(true, "GET / HTTP/1.1\r\n\r\n").frames) {
          await new Promise((done) => sender.send(vxlan(frame), port, "127.0.0.1", done));
        }
      }
      await until("every flow is in the statistics", () => read().requests.onWire === flows, 10_000);
      child.kill("SIGTERM");
      assert.equal(await ended, 0, said);
      const { requests, replay } = read();
      assert.deepEqual(replay.errors, {});
      assert.ok(requests.replayed > 10 && requests.shed["descriptors"]! > 50, JSON.stringify(requests));
      assert.equal(shadow.received.length, requests.replayed);
      assert.match(said, /carries at most \d+ flows at a time, because .* 100 descriptors/);
    } finally {
      sender.close();
      child.kill("SIGKILL");
      await shadow.stop();
      rmSync(folder, { recursive: true, force: true });
    }
  });
});
