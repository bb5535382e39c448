import assert from "node:assert/strict";

import { checkConfig } from "../../../../components/runtime/gateway/config";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";

describe("gateway: hooks", () => {
  it("set header fields and mark idempotency keys, and leave everything else as it was", async () => {
    const shadow = await RecordingServer.start((socket, all) => {
      if (all.toString("latin1").endsWith("two\r\n\r\nbody")) socket.write(ok);
    });
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      hooks: { setHeaders: { Host: "shadow.example", "X-Shadow": "1" }, idempotencySuffix: "-shadow" },
    });
    const request = [
      'POST /pay?a=1 HTTP/1.1\r\nhost:live.example\r\nHost: again\r\nidempotency-key: "k7"\r\n',
      "Content-Length: 18\r\n\r\none\r\n\r\ntwo\r\n\r\nbody",
    ];
    const script = new TcpScript({ address: "10.8.0.1", port: 4001 }, { address: "10.9.0.1", port: 80 }).handshake();
    for (const part of request) script.say(true, part, 50);
    try {
      await harness.send(script.say(false, ok).close().frames);
      await until("the request is answered", () => harness.gateway.snapshot().requests.answered === 1);
      const head =
        'POST /pay?a=1 HTTP/1.1\r\nhost: shadow.example\r\nidempotency-key: "k7-shadow"\r\nContent-Length: 18\r\nX-Shadow: 1';
      assert.equal(shadow.received.join(""), `${head}\r\n\r\none\r\n\r\ntwo\r\n\r\nbody`);
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("refuse what would change the framing or could not be sent", () => {
    const config = {
      intake: "vxlan:127.0.0.1:0",
      stats: "s",
      samples: "n",
      hooks: { setHeaders: { "Content-Length": "3", "a b": "1", ok: "x\r\ny" }, idempotencySuffix: "a b" },
    };
    assert.throws(() => checkConfig(config), /Content-Length[^]*framing[^]*a b[^]*ok[^]*idempotencySuffix/);
  });
});
