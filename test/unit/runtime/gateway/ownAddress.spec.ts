import assert from "node:assert/strict";

import { Exchange } from "../../../../components/runtime/gateway/compare/exchangeLog";
import { Http1ShadowReader } from "../../../../components/runtime/gateway/compare/shadowReaders";
import { checkConfig } from "../../../../components/runtime/gateway/config";
import { ShadowConnection } from "../../../../components/runtime/gateway/replay/shadowConnection";
import { newStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, quietLog, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const server = { address: "10.9.0.1", port: 80 };

describe("gateway: clients whose answers would not come back", () => {
  it("connects for them from an address of its own, and for all others from theirs", async () => {
    const peers: string[] = [];
    const shadow = await RecordingServer.start((socket) => {
      peers.push(`${socket.remoteAddress ?? ""}:${socket.remotePort ?? 0}`);
      socket.write(ok);
    });
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      source: "original",
      ownAddressFor: ["127.7.0.0/16"],
    });
    for (const address of ["127.7.0.9", "127.8.0.9"]) {
      const script = new TcpScript({ address, port: 40_123 }, server).handshake();
      await harness.send(script.say(true, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").say(false, ok).close().frames);
    }
    await until("both are answered", () => harness.gateway.snapshot().requests.answered === 2);
    await harness.stop();
    harness.remove();
    await shadow.stop();
    assert.ok(peers.includes("127.8.0.9:40123"), peers.join());
    assert.ok(!peers.some((peer) => peer.startsWith("127.7.")), peers.join());
  });

  it("says of a client whose address is not this machine's that it is not, and takes no port for taken", async () => {
    const shadow = await RecordingServer.start((socket) => socket.write(ok));
    const harness = await GatewayHarness.start({
      to: { "192.0.2.9:80": `127.0.0.1:${shadow.port}` },
      source: "original",
    });
    const script = new TcpScript({ address: "192.0.2.1", port: 40_124 }, { address: "192.0.2.9", port: 80 });
    script.handshake().say(true, "GET / HTTP/1.1\r\nHost: a\r\n\r\n").say(false, ok).close();
    await harness.send(script.frames);
    await until("there is a sample", () => harness.samples().length === 1);
    const { requests, replay } = await harness.stop();
    harness.remove();
    await shadow.stop();
    assert.deepEqual([requests.failed, replay.errors], [{ sourceAddress: 1 }, { sourceAddress: 1 }]);
    assert.equal(replay.sourcePortTaken, 0);
  });

  it("says that no port is left, which is nothing that the shadow did", () => {
    const stats = newStats(0);
    const log = quietLog(stats);
    const owner = { progressed: () => undefined };
    const reader = new Http1ShadowReader(log, undefined);
    const target = { address: "127.0.0.1", port: 9 };
    const exchange = new Exchange("flow", 0, "http1", 0);
    log.replaying(exchange);
    const connection = new ShadowConnection(
      { stats, log, limits: { maximumLagMilliseconds: 5_000 } },
      target,
      undefined,
      reader,
      owner,
    );
    connection.send(exchange);
    connection.closed("EADDRNOTAVAIL");
    assert.deepEqual([stats.replay.errors, stats.requests.failed], [{ sourcePort: 1 }, { sourcePort: 1 }]);
  });

  it("refuses shadows of the other kind of address, and one server twice", () => {
    const files = { intake: "vxlan:127.0.0.1:0", stats: "a", samples: "b" };
    const mixed = { ...files, to: { "10.0.0.5:80": "[::1]:80" } };
    assert.doesNotThrow(() => checkConfig(mixed));
    assert.throws(
      () => checkConfig({ ...mixed, source: "original" }),
      /to\["10.0.0.5:80"\]: .* both must be IPv4 or IPv6/,
    );
    const twice = { ...files, to: { "[fd00::5]:80": "[::1]:80", "[FD00:0::5]:080": "[::1]:81" } };
    assert.throws(() => checkConfig(twice), /is the same server as "\[fd00::5\]:80"/);
    const headers = { ...files, hooks: { setHeaders: { "X-A": "1", "x-a": "2" } } };
    assert.throws(() => checkConfig(headers), /setHeaders\["x-a"\]: is given twice/);
  });

  it("refuses what is no range", () => {
    const config = { intake: "vxlan:127.0.0.1:0", stats: "a", samples: "b", ownAddressFor: ["10.0.0.0", "10.0.0.0/8"] };
    assert.throws(() => checkConfig(config), /ownAddressFor\[0\]: "10.0.0.0" is no range/);
  });
});
