import assert from "node:assert/strict";

import { tcpFrame, TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const client = { address: "10.8.0.1", port: 40_000 };
const server = { address: "10.9.0.1", port: 80 };
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const [clientIsn, serverIsn] = [1_000, 5_000];
const far = 100_000_000;

const script = (clientNumber = clientIsn, serverNumber = serverIsn): TcpScript =>
  new TcpScript(client, server, { clientIsn: clientNumber, serverIsn: serverNumber });
const exchange = (flow: TcpScript, path: string): TcpScript =>
  flow.say(true, get(path)).acknowledge(false).say(false, ok).acknowledge(true);
const stray = (fromClient: boolean, flags: string, sequence: number, acknowledgement = 0, payload = ""): Buffer =>
  tcpFrame({
    ...(fromClient ? { from: client, to: server } : { from: server, to: client }),
    ...{ flags, sequence, acknowledgement, payload: Buffer.from(payload) },
  });
/** Numbers after the handshake and one exchange of `get("/1")`. */
const next = { client: clientIsn + 1 + get("/1").length, server: serverIsn + 1 + ok.length };

interface Case {
  name: string;
  frames: () => Buffer[];
  paths: string[];
  stray?: number;
}

/** One exchange, then these packets, then two more. */
const amid = (...frames: Buffer[]): Buffer[] => {
  const flow = exchange(script().handshake(), "/1");
  flow.frames.push(...frames);
  return exchange(exchange(flow, "/2"), "/3").close().frames;
};
const three = ["/1", "/2", "/3"];

const cases: Case[] = [
  {
    name: "resets that stand nowhere near",
    frames: () => amid(stray(true, "R", next.client + far), stray(false, "RA", next.server - far, next.client)),
    paths: three,
    stray: 2,
  },
  {
    name: "a reset inside the window, which its receiver asks about",
    frames: () => amid(stray(false, "R", next.server + 5_000), stray(true, "A", next.client, next.server)),
    paths: three,
    stray: 1,
  },
];

describe("gateway: packets that are none of the connection", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  const counted = (): number => harness.gateway.snapshot().requests.onWire;

  beforeEach(async () => {
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      socket.write(ok.repeat(fresh.toString().split("\r\n\r\n").length - 1));
    });
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      limits: { holeTimeoutMilliseconds: 300 },
    });
  });

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  for (const { name, frames, paths, stray: strays } of cases) {
    it(name, async () => {
      await harness.send(frames());
      await until("all are counted", () => counted() === paths.length, 3_000);
      const { requests, flows, compare } = await harness.stop();
      assert.equal(Buffer.concat(shadow.received).toString(), paths.map(get).join(""));
      assert.deepEqual([requests.replayed, compare.paired], [paths.length, paths.length]);
      if (strays !== undefined) assert.equal(flows.strayPackets, strays);
    });
  }

  it("waits with a reset for the request that it has overtaken", async () => {
    const flow = exchange(script().handshake(), "/1");
    flow.frames.push(stray(true, "R", next.client + get("/2").length));
    await harness.send(flow.say(true, get("/2")).frames);
    await until("it is replayed", () => counted() === 2, 3_000);
    const { replay, flows } = await harness.stop();
    assert.equal(Buffer.concat(shadow.received).toString(), get("/1") + get("/2"));
    assert.deepEqual([replay.clientResets, flows.strayPackets], [1, 0]);
  });

  it("believes a reset behind bytes that were lost when nothing comes after it, until something comes", async () => {
    const flow = exchange(script().handshake(), "/1");
    const gone = next.client + get("/2").length;
    await harness.send([...flow.frames, stray(true, "R", gone)]);
    await until("the lost request is counted", () => harness.gateway.snapshot().requests.lostByMirror === 1, 3_000);
    await until("the shadow's connection is reset too", () => harness.gateway.snapshot().replay.clientResets === 1);
    await harness.send([stray(true, "PA", gone, next.server, get("/3"))]);
    await until("the client was not gone after all", () => harness.gateway.snapshot().requests.replayed === 2);
  });
});
