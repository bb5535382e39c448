import assert from "node:assert/strict";

import fc from "fast-check";

import { PastConnections, saidBy } from "../../../../components/runtime/gateway/flows/pastConnections";
import { StreamReassembler } from "../../../../components/runtime/gateway/flows/reassembly";
import { Flag, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { tcpFrame, TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { randomFrom } from "../../../support/damage";

const server = { address: "10.9.0.1", port: 80 };
const get = (path: string): string => `GET ${path} HTTP/1.1\r\nHost: x\r\n\r\n`;
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
const far = 100_000_000;

/** One connection: its packets, of which the first three open it, and what its client asks. */
interface Connection {
  frames: Buffer[];
  asked: string[];
}

interface Shape {
  port: number;
  isn: number;
  requests: string[];
  ends: (flow: TcpScript) => TcpScript;
}

const closes = (flow: TcpScript): TcpScript => flow.close();
const resets = (flow: TcpScript): TcpScript => flow.reset(true);
const isReset = (flow: TcpScript): TcpScript => flow.reset(false);
const stays = (flow: TcpScript): TcpScript => flow;

function connection({ port, isn, requests, ends }: Shape): Connection {
  const client = { address: "10.8.0.1", port };
  const flow = new TcpScript(client, server, { clientIsn: isn, serverIsn: (2 * isn) >>> 0 }).handshake();
  for (const request of requests) flow.say(true, request).acknowledge(false).say(false, ok).acknowledge(true);
  return { frames: ends(flow).frames, asked: requests };
}

const holding = ({ frames }: Connection, text: string): Buffer => frames.find((frame) => frame.includes(text))!;

describe("gateway: what comes late of a connection that is over", () => {
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  const start = async (idleTimeoutMilliseconds = 60_000): Promise<void> => {
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      socket.write(ok.repeat(fresh.toString("latin1").split(" HTTP/1.1").length - 1));
    });
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      limits: { idleTimeoutMilliseconds, holeTimeoutMilliseconds: 300 },
    });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  const allOver = (): Promise<void> => until("all are over", () => harness.gateway.snapshot().flows.open === 0, 5_000);
  /** Requests that arrived in the shadow, and what was counted. */
  const outcome = async (): Promise<{ got: string; strays: number; onWire: number; replayed: number }> => {
    harness.gateway.endFlows();
    const { requests, flows } = await harness.stop();
    const got = Buffer.concat(shadow.received).toString("latin1");
    return { got, strays: flows.strayPackets, onWire: requests.onWire, replayed: requests.replayed };
  };

  const first = (ends = closes): Connection =>
    connection({ port: 40_000, isn: 1_000, requests: [get("/1"), get("/2")], ends });
  const second = connection({ port: 40_000, isn: far, requests: [get("/3"), get("/4")], ends: closes });

  const cases: { name: string; sent: () => Promise<void> | void; asked: string[] }[] = [
    {
      name: "after another connection on its port is over too",
      sent: async () => {
        await harness.send([...first().frames, ...second.frames, holding(first(), "/1"), holding(first(), "/2")]);
      },
      asked: ["/1", "/2", "/3", "/4"],
    },
    {
      name: "after that one is forgotten but for its numbers",
      sent: async () => {
        await harness.send([...first().frames, ...second.frames]);
        await allOver();
        await new Promise((done) => setTimeout(done, 1_100));
        await harness.send([holding(first(), "/1"), holding(first(), "/2")]);
      },
      asked: ["/1", "/2", "/3", "/4"],
    },
    {
      name: "from both sides while another connection is open, so that they agree with each other",
      sent: async () => {
        const { frames } = second;
        const late = [holding(first(), "/1"), holding(first(), "200 OK")];
        await harness.send([...first().frames, ...frames.slice(0, 5), ...late, ...frames.slice(5)]);
      },
      asked: ["/1", "/2", "/3", "/4"],
    },
  ];
  for (const { name, sent, asked } of cases) {
    it(`is not replayed again ${name}`, async () => {
      await start();
      await sent();
      const { got, strays, onWire, replayed } = await outcome();
      assert.equal(got, asked.map(get).join(""));
      assert.deepEqual([strays, onWire, replayed], [2, asked.length, asked.length]);
    });
  }

  it("is not replayed again where much was said after it", async () => {
    await start();
    const upload = `POST /2 HTTP/1.1\r\nContent-Length: 5000000\r\n\r\n${"b".repeat(5_000_000)}`;
    const script = new TcpScript({ address: "10.8.0.1", port: 40_000 }, server, { mss: 60_000 }).handshake();
    script.say(true, get("/1")).say(false, ok).say(true, upload).say(false, ok);
    const { frames } = script.close();
    await harness.send(frames);
    await until("both are replayed", () => harness.gateway.snapshot().requests.replayed === 2);
    await harness.send([frames[3]!]);
    const { strays, onWire } = await outcome();
    assert.deepEqual([strays, onWire], [1, 2]);
  });

  for (const wait of [0, 1_100]) {
    it(`is not replayed again ${wait} ms after it was given up as idle, and what is new of it is carried`, async () => {
      await start(300);
      const { frames } = connection({
        port: 40_000,
        isn: 1_000,
        requests: [get("/1"), get("/2"), get("/3")],
        ends: stays,
      });
      const known = frames.findIndex((frame) => frame.includes("/3"));
      await harness.send(frames.slice(0, known));
      await allOver();
      await new Promise((done) => setTimeout(done, wait));
      const late = ["/1", "200 OK"].map((text) => holding({ frames, asked: [] }, text));
      await harness.send([...late, ...frames.slice(known)]);
      await until("the new one is replayed", () => harness.gateway.snapshot().requests.replayed === 3, 3_000);
      const { got, strays, onWire } = await outcome();
      assert.equal(got, [get("/1"), get("/2"), get("/3")].join(""));
      assert.deepEqual([strays, onWire], [2, 3]);
    });
  }

  for (const [name, ends] of Object.entries({ closes, resets, isReset })) {
    for (const missing of [1, 3]) {
      it(`is told from a connection with numbers near by of which ${missing} packets are lost (${name})`, async () => {
        await start();
        const next = connection({ port: 40_000, isn: 61_000, requests: [get("/3"), get("/4")], ends: closes });
        await harness.send([...first(ends).frames, ...next.frames.slice(missing), holding(first(), "/1")]);
        const { got, strays, onWire, replayed } = await outcome();
        assert.equal(got, ["/1", "/2", "/3", "/4"].map(get).join(""));
        assert.deepEqual([strays, onWire, replayed], [1, 4, 4]);
      });
    }
  }

  it("is none of a new connection where it was under way when the server reset the old one", async () => {
    await start();
    const short = connection({ port: 40_000, isn: 1_000, requests: [get("/1")], ends: isReset });
    await harness.send([...short.frames, holding(first(), "/2")]);
    const { got, strays, onWire } = await outcome();
    assert.deepEqual([got, strays, onWire], [get("/1"), 1, 1]);
  });

  it("is no third connection's where the first was left open and all three have numbers near by", async () => {
    await start();
    const next = (isn: number, path: string): Buffer[] =>
      connection({ port: 40_000, isn, requests: [get(path)], ends: closes }).frames;
    await harness.send([...first(stays).frames, ...next(61_000, "/3"), ...next(121_000, "/4").slice(3)]);
    const { got, strays, onWire } = await outcome();
    assert.deepEqual([got, strays, onWire], [["/1", "/2", "/3", "/4"].map(get).join(""), 0, 4]);
  });

  it("opens nothing where it is a reset that says why", async () => {
    await start();
    const { address, port } = { address: "10.8.0.1", port: 40_000 };
    const payload = Buffer.from("no such session");
    const reset = tcpFrame({
      ...{ from: { address, port }, to: server, flags: "RA", payload },
      ...{ sequence: far, acknowledgement: far },
    });
    await harness.send([...first().frames, reset]);
    assert.equal(harness.gateway.snapshot().selection.flowsSeen, 1);
  });

  it("raises a counter only, however many connections follow each other on a port", async function () {
    this.timeout(120_000);
    await start();
    let port = 10_000;
    const shape = fc.record({
      requests: fc.array(fc.integer({ min: 0, max: 3_000 }), { minLength: 1, maxLength: 4 }),
      ends: fc.constantFrom(closes, resets, isReset),
      missing: fc.constantFrom(0, 0, 1, 3),
      later: fc.constantFrom(30_000, 1_000_000, far, 13 * far),
    });
    const plan = fc.record({
      shapes: fc.array(shape, { minLength: 2, maxLength: 4 }),
      isn: fc.integer({ min: 0, max: 2 ** 32 - 1 }),
      late: fc.integer({ min: 1, max: 6 }),
      seed: fc.integer(),
    });
    await fc.assert(
      fc.asyncProperty(plan, async ({ shapes, isn: firstIsn, late, seed }) => {
        port++;
        let isn = firstIsn;
        const sent: Buffer[] = [];
        const asked: string[] = [];
        const random = randomFrom(seed);
        const pick = (before: number): Buffer => sent[Math.floor(random() * before)]!;
        for (const [turn, { requests, ends, missing, later }] of shapes.entries()) {
          const texts = requests.map((length, index) =>
            length === 0
              ? get(`/${port}-${turn}-${index}`)
              : `POST /${port}-${turn}-${index} HTTP/1.1\r\nContent-Length: ${length}\r\n\r\n${"b".repeat(length)}`,
          );
          const { frames } = connection({ port, isn, requests: texts, ends });
          isn = (isn + later) >>> 0;
          asked.push(...texts);
          const before = sent.length;
          for (const frame of frames.slice(turn === 0 ? 0 : missing)) sent.push(frame);
          const data = sent.slice(0, before).filter((frame) => frame.length > 54);
          for (let count = 0; before > 0 && count < late; count++) {
            const frame = data[Math.floor(random() * data.length)] ?? pick(before);
            sent.splice(before + Math.floor(random() * (sent.length - before + 1)), 0, frame);
          }
        }
        const connections = shadow.received.length;
        const before = { ...harness.gateway.snapshot().requests };
        await harness.send(sent);
        harness.gateway.endFlows();
        const after = harness.gateway.snapshot().requests;
        const got = (): string => Buffer.concat(shadow.received.slice(connections)).toString("latin1");
        const truth = asked.join("");
        await until("all has arrived", () => got().length >= truth.length, 3_000).catch(() => undefined);
        assert.equal(got().length, truth.length);
        assert.deepEqual(
          got()
            .split(/(?=GET|POST)/)
            .sort(),
          asked.slice().sort(),
        );
        assert.deepEqual(
          [after.onWire - before.onWire, after.replayed - before.replayed],
          [asked.length, asked.length],
        );
      }),
      { numRuns: 60 },
    );
  });
});

describe("gateway: the numbers of connections that are over", () => {
  const nothing = (): void => undefined;
  const counters = { reorderedSegments: 0, retransmittedSegments: 0, overlapConflicts: 0, holes: 0, holeBytes: 0 };
  const stream = (said: number): StreamReassembler => {
    const all = new StreamReassembler({ data: nothing, hole: nothing, end: nothing }, true, counters);
    all.start(1_000);
    for (let at = 0; at < said;) all.acknowledged((at = Math.min(said, at + 2 ** 29)), 0);
    return all;
  };
  const packet = (sequence: number, acknowledgement: number, payloadLength: number): Packet =>
    Object.assign(new Packet(), { flags: Flag.Ack, sequence, acknowledgement, payloadLength });

  it("are not all numbers, however much was said on them", () => {
    const past = new PastConnections();
    past.add({ client: saidBy(stream(5 * 2 ** 30), false), server: saidBy(stream(100), false) });
    const end = (1_000 + 5 * 2 ** 30) % 2 ** 32;
    assert.ok(past.said(packet(end - 500, 1_100, 500), true));
    assert.ok(!past.said(packet(end - 500, 1_100, 501), true));
    assert.ok(!past.said(packet(end - 500, 1_101, 500), true));
    assert.ok(!past.said(packet(end - 2 ** 30, 1_100, 500), true));
  });
});
