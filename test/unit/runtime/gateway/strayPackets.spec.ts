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
  connections?: number;
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
  {
    name: "data, an acknowledgement and a FIN with numbers of other connections",
    frames: () =>
      amid(
        stray(true, "PA", next.client + far, next.server, get("/evil")),
        stray(false, "A", next.server, next.client + 3 * far),
        stray(false, "FA", next.server - far, next.client - far),
      ),
    paths: three,
    stray: 3,
  },
  {
    name: "two packets of one side with numbers of another connection, though nothing but SYNs was heard before",
    frames: () => {
      const evil = [0, 40].map((on) => stray(false, "A", far + on, far));
      const flow = script().handshake();
      const [syn, answer, ...rest] = exchange(exchange(flow, "/1"), "/2").frames;
      return [syn!, answer!, ...evil, ...rest];
    },
    paths: ["/1", "/2"],
    stray: 2,
    connections: 1,
  },
  {
    name: "an old answer to a SYN",
    frames: () => amid(stray(false, "SA", next.server + far, next.client + far)),
    paths: three,
    stray: 1,
    connections: 1,
  },
  {
    name: "a SYN that the server refuses, because the connection is open",
    frames: () => amid(stray(true, "S", far), stray(false, "A", next.server, next.client)),
    paths: three,
    stray: 1,
  },
  {
    name: "the refusal of a SYN, and the reset with which its client ends what the server held open",
    frames: () => {
      const anew = script(far, 7_000).handshake().frames;
      const old = exchange(script().handshake(), "/1").frames;
      const refused = [stray(false, "A", next.server, next.client), stray(true, "R", next.client)];
      return [...old, anew[0]!, ...refused, ...exchange(exchange(script(far, 7_000).handshake(), "/2"), "/3").frames];
    },
    paths: three,
    stray: 1,
  },
  {
    name: "the same where only the beginning of the new connection was seen",
    frames: () => [
      ...script(far, 7_000).handshake().frames.slice(0, 1),
      ...[stray(false, "A", 900_000_000, 2_000_000_000), stray(true, "R", 2_000_000_000)],
      ...exchange(exchange(script(far, 7_000).handshake(), "/2"), "/3").frames,
    ],
    paths: ["/2", "/3"],
    stray: 2,
  },
  {
    name: "an old FIN between the SYN of a reused port and its answer",
    frames: () => {
      const anew = exchange(script(far, 7_000).handshake(), "/2").frames;
      const old = exchange(script().handshake(), "/1").close().frames;
      return [...old, anew[0]!, stray(false, "FA", next.server, next.client + 1), ...anew.slice(1)];
    },
    paths: ["/1", "/2"],
    stray: 1,
  },
  {
    name: "an acknowledgement before the answer to the SYN, which says where the server begins",
    frames: () => {
      const flow = exchange(exchange(script().handshake(), "/1"), "/2").frames;
      return [flow[0]!, stray(true, "A", clientIsn + 1, far), ...flow.slice(1)];
    },
    paths: ["/1", "/2"],
  },
];

/** The mirror misses these of the first packets of a connection on a port that another one has had. */
const reused: { name: string; missing: number; left: (old: TcpScript) => TcpScript; by?: number; after?: number }[] = [
  { name: "was left open", missing: 1, left: (old) => old },
  { name: "was left open just before", missing: 1, left: (old) => old, by: 100_000 },
  { name: "has ended just before", missing: 1, left: (old) => old.close(), by: 100_000 },
  { name: "was left open, and all of the handshake", missing: 3, left: (old) => old },
  { name: "has ended", missing: 1, left: (old) => old.close() },
  { name: "has ended, and with it all of the handshake", missing: 3, left: (old) => old.close() },
  {
    name: "has ended long ago, and with it all of the handshake",
    missing: 3,
    left: (old) => old.close(),
    after: 1_500,
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

  for (const { name, frames, paths, stray: strays, connections } of cases) {
    it(name, async () => {
      await harness.send(frames());
      await until("all are counted", () => counted() === paths.length, 3_000);
      await until("all are paired", () => harness.gateway.snapshot().compare.paired === paths.length, 3_000);
      const { requests, flows, compare } = await harness.stop();
      assert.equal(Buffer.concat(shadow.received).toString(), paths.map(get).join(""));
      assert.deepEqual([requests.replayed, compare.paired], [paths.length, paths.length]);
      if (strays !== undefined) assert.equal(flows.strayPackets, strays);
      if (connections !== undefined) assert.equal(shadow.received.length, connections);
    });
  }

  for (const { name, missing, left, by = far, after = 0 } of reused) {
    it(`carries a connection whose SYN the mirror lost, where the one before it on its port ${name}`, async () => {
      await harness.send(left(exchange(script().handshake(), "/1")).frames);
      await new Promise((resolve) => setTimeout(resolve, after));
      await harness.send(
        exchange(exchange(script(by, 2 * by).handshake(), "/2"), "/3")
          .close()
          .frames.slice(missing),
      );
      await until("all are counted", () => counted() === 3, 3_000);
      const { requests, compare } = await harness.stop();
      assert.deepEqual(shadow.received.map(String), [get("/1"), get("/2") + get("/3")]);
      assert.deepEqual([requests.replayed, compare.paired], [3, 3]);
    });
  }

  it("knows the connection again of which the mirror missed more than a window", async () => {
    const flow = exchange(script().handshake(), "/1");
    const before = flow.frames.splice(0);
    flow.say(false, Buffer.alloc(7_000_000)).frames.length = 0;
    for (const path of ["/3", "/4", "/5", "/6"]) exchange(flow, path);
    await harness.send([...before, ...flow.close().frames]);
    await until("it goes on", () => harness.gateway.snapshot().requests.replayed >= 3, 3_000);
    const { requests, flows } = await harness.stop();
    assert.deepEqual(
      shadow.received.map(String).map((text) => text.slice(-get("/6").length)),
      [get("/6")],
    );
    assert.equal(requests.onWire, requests.replayed + requests.lostByMirror);
    assert.ok(flows.strayPackets > 0);
  });

  it("begins behind the byte of a keep-alive probe where that is the first it sees of a connection", async () => {
    const probe = stray(true, "A", clientIsn - 1, serverIsn, "\0");
    await harness.send([probe, stray(false, "A", serverIsn, clientIsn), ...exchange(script(), "/1").frames]);
    await until("the request is replayed", () => harness.gateway.snapshot().requests.replayed === 1, 3_000);
    await until("it is paired", () => harness.gateway.snapshot().compare.paired === 1, 3_000);
    assert.equal((await harness.stop()).requests.onWire, 1);
  });

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

  it("takes a connection up where it stood that goes on long after such a reset", async () => {
    const flow = exchange(script().handshake(), "/1");
    await harness.send([...flow.frames.splice(0), stray(true, "R", next.client + 5_000)]);
    await until("the reset is believed", () => harness.gateway.snapshot().replay.clientResets === 1, 3_000);
    await harness.send(exchange(exchange(flow, "/2"), "/3").frames);
    await until("both are replayed", () => harness.gateway.snapshot().requests.replayed === 3, 3_000);
    await harness.stop();
    assert.deepEqual(shadow.received.map(String), [get("/1"), get("/2") + get("/3")]);
  });
});
