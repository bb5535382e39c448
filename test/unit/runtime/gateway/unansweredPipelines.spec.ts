import assert from "node:assert/strict";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const request = (name: string | number): string => `GET /${name} HTTP/1.1\r\nHost: x\r\n\r\n`;
const answer = "HTTP/1.1 204 No Content\r\n\r\n";
const named = (name: string | number): string => `HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\n${1000 + Number(name)}`;

describe("gateway: HTTP/1 pipelines behind a hole", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      for (const [, name] of fresh.toString().matchAll(/GET \/(\d+)/g)) socket.write(named(name!));
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const script = (): TcpScript => new TcpScript({ address: "10.8.0.1", port: 4_000 }, server).handshake();

  const counted = async (flow: TcpScript): Promise<GatewayStats["requests"]> => {
    await harness.send(flow.frames);
    return (await harness.stop()).requests;
  };

  /** Says requests, each in a segment of its own, of which the mirror loses some. */
  const pipeline = (flow: TcpScript, names: readonly number[], lost: readonly number[]): void => {
    for (const name of names) {
      flow.say(true, request(name));
      if (lost.includes(name)) flow.frames.pop();
    }
    flow.acknowledge(false);
  };

  for (const answered of [0, 1, 2, 3, 4]) {
    for (const lost of [[1], [2], [1, 3]]) {
      it(`counts four requests of which ${answered} were answered before the end, without ${lost.join(" and ")}`, async () => {
        const flow = script();
        pipeline(flow, [1, 2, 3, 4], lost);
        for (let n = 0; n < answered; n++) flow.say(false, answer).acknowledge(true);
        const { onWire, lostByMirror, replayed } = await counted(flow.close());
        assert.deepEqual([onWire, lostByMirror + replayed], [4, 4]);
        assert.equal(Buffer.concat(shadow.received).toString(), lost.includes(1) ? "" : request(1));
      });
    }
  }

  it("is taken up only when live has answered all that was seen of it", async () => {
    const flow = script();
    pipeline(flow, [1, 2, 3, 4], [3]);
    flow.say(false, answer + answer).acknowledge(true);
    pipeline(flow, [5], []);
    flow.say(false, answer + answer + answer).acknowledge(true);
    pipeline(flow, [6], []);
    flow.say(false, answer).acknowledge(true);
    const { onWire, lostByMirror, lostEstimated } = await counted(flow.close());
    assert.deepEqual([onWire, lostByMirror, lostEstimated], [6, 3, 0]);
    assert.equal(Buffer.concat(shadow.received).toString(), request(1) + request(2) + request(6));
  });

  for (const ahead of [2, 3, 8]) {
    it(`compares no answer with another request's where the client is always ${ahead} requests ahead`, async () => {
      for (let lost = 2; lost <= 21; lost++) {
        const flow = new TcpScript({ address: "10.8.0.1", port: lost }, server).handshake();
        const frames = flow.frames.splice(0);
        for (let n = 1; n <= 30 + ahead; n++) {
          if (n > ahead)
            frames.push(
              ...flow
                .say(false, named(n - ahead))
                .acknowledge(true)
                .frames.splice(0),
            );
          if (n > 30) continue;
          flow.say(true, request(n)).acknowledge(false);
          if (n === lost) flow.frames.shift();
          frames.push(...flow.frames.splice(0));
        }
        await harness.send([...frames, ...flow.close().frames]);
      }
      const { requests, compare } = await harness.stop();
      assert.equal(requests.onWire, 20 * 30);
      assert.equal(compare.different, 0);
    });
  }
});
