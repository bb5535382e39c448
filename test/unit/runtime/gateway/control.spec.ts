import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { gatewayStatsSchema } from "../../../../components/runtime/gateway/statsSchema";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

describe("gateway: its control socket", () => {
  let folder: string;
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-control-"));
    shadow = await RecordingServer.start((socket) => socket.write(ok));
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      control: join(folder, "control.sock"),
      startClosed: true,
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
    rmSync(folder, { recursive: true, force: true });
  });

  const ask = (method: string, path: string, body = ""): Promise<{ status: number | undefined; json: unknown }> =>
    new Promise((done, failed) => {
      const call = request({ socketPath: join(folder, "control.sock"), path, method }, (response) => {
        const parts: Buffer[] = [];
        response.on("data", (part: Buffer) => parts.push(part));
        response.on("end", () =>
          done({ status: response.statusCode, json: JSON.parse(Buffer.concat(parts).toString()) as unknown }),
        );
      });
      call.on("error", failed);
      call.end(body);
    });

  const flow = (port: number): Buffer[] =>
    new TcpScript({ address: "10.8.0.1", port }, { address: "10.9.0.1", port: 80 })
      .handshake()
      .say(true, `GET /${port} HTTP/1.1\r\n\r\n`)
      .say(false, ok)
      .close().frames;

  it("opens and closes the intake, and tells the counters as they are at that moment", async () => {
    const counters = async (): Promise<ReturnType<typeof gatewayStatsSchema.parse>> => {
      const { status, json } = await ask("GET", "/stats");
      assert.equal(status, 200);
      return gatewayStatsSchema.parse(json);
    };
    await harness.send(flow(1));
    const { intake: closed } = await counters();
    assert.deepEqual([closed.open, closed.packets, closed.refusedWhileClosed], [false, 0, flow(1).length]);
    assert.deepEqual(await ask("PUT", "/intake", '{"open": true}'), { status: 200, json: { open: true } });
    await harness.send(flow(2));
    await until("it is answered", () => harness.gateway.snapshot().requests.answered === 1);
    const { intake: opened, requests } = await counters();
    assert.deepEqual([opened.open, opened.packets, requests.answered], [true, flow(2).length, 1]);
    assert.deepEqual(await ask("PUT", "/intake", '{"open": false}'), { status: 200, json: { open: false } });
    await harness.send(flow(3));
    assert.equal((await counters()).intake.refusedWhileClosed, 2 * flow(3).length);
    assert.deepEqual(shadow.received.map(String), ["GET /2 HTTP/1.1\r\n\r\n"]);
  });

  it("refuses everything else, and stays as it was", async () => {
    for (const body of ["", "nonsense", "null", '{"open": 1}', `{"open": true, "more": "${"x".repeat(100_000)}"}`]) {
      assert.equal((await ask("PUT", "/intake", body)).status, 400, body.slice(0, 30));
    }
    for (const [method, path] of [
      ["POST", "/stats"],
      ["GET", "/intake"],
      ["GET", "/"],
    ] as const) {
      assert.equal((await ask(method, path)).status, 404, `${method} ${path}`);
    }
    assert.equal(harness.gateway.snapshot().intake.open, false);
  });
});
