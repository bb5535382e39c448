import assert from "node:assert/strict";

import fc from "fast-check";

import { TcpScript } from "../../../support/capture";
import { beginsInside, damaged, isOrderedSubset, randomFrom } from "../../../support/damage";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };

/** Request bodies that look like requests and answers that look like answers, to tempt a wrong boundary. */
const bodies = fc.oneof(
  fc.constant(""),
  fc.integer({ min: 1, max: 4_000 }).map((length) => "b".repeat(length)),
  fc.integer({ min: 1, max: 40 }).map((count) => "GET /wrong HTTP/1.1\r\nHost: w\r\n\r\n".repeat(count)),
);
const answers = fc.oneof(
  fc.integer({ min: 0, max: 3_000 }).map((length) => "a".repeat(length)),
  fc.integer({ min: 1, max: 20 }).map((count) => "HTTP/1.1 200 OK\r\n\r\n".repeat(count)),
);
const exchanges = fc.array(fc.record({ body: bodies, answer: answers, chunked: fc.boolean() }), {
  minLength: 1,
  maxLength: 8,
});
const damage = fc.record({
  mss: fc.constantFrom(17, 31, 100, 536, 1460, 9000),
  loss: fc.constantFrom(0, 0.02, 0.1, 0.3),
  burst: fc.constantFrom(1, 1, 4, 12),
  duplicate: fc.constantFrom(0, 0.1),
  reorder: fc.constantFrom(0, 0.05, 0.2),
  skip: fc.constantFrom(0, 0, 3, 5),
  isn: fc.constantFrom(1, 0x7fffff00, 0xfffffe00),
  seed: fc.integer(),
});

function requestOf(id: string, body: string, chunked: boolean): string {
  if (body === "") return `GET /${id} HTTP/1.1\r\nHost: x\r\n\r\n`;
  if (!chunked) return `POST /${id} HTTP/1.1\r\nHost: x\r\nContent-Length: ${body.length}\r\n\r\n${body}`;
  return `PUT /${id} HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)}\r\n${body}\r\n0\r\n\r\n`;
}

function answeringServer(): Promise<RecordingServer> {
  return RecordingServer.start((socket, _all, fresh) => {
    const heads = fresh.toString("latin1").split(" HTTP/1.1").length - 1;
    socket.write("HTTP/1.1 204 No Content\r\n\r\n".repeat(heads));
  });
}

describe("gateway: a mirror that loses, repeats and reorders", () => {
  it("replays whole true requests alone, in order, and every request is counted once", async function () {
    this.timeout(240_000);
    const shadow = await RecordingServer.start(() => undefined);
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      limits: { holeTimeoutMilliseconds: 300 },
    });
    let port = 10_000;
    try {
      await fc.assert(
        fc.asyncProperty(exchanges, damage, async (list, harm) => {
          port++;
          const connection = (honest: boolean): { frames: Buffer[]; truth: string[] } => {
            const flow = new TcpScript({ address: "10.8.0.1", port }, server, { mss: harm.mss, clientIsn: harm.isn });
            flow.handshake();
            const truth = list.map(({ body, chunked, answer }, index) => {
              // Where mirroring begins inside a body, a body that looks like a request cannot be told from one.
              const request = requestOf(`${port}-${index}`, honest ? body.replaceAll("GET ", "got/") : body, chunked);
              flow.say(true, request).acknowledge(false);
              flow.say(false, `HTTP/1.1 200 OK\r\nContent-Length: ${answer.length}\r\n\r\n${answer}`).acknowledge(true);
              return request;
            });
            return { frames: damaged(flow.close().frames, harm), truth };
          };
          const { frames, truth } = connection(beginsInside(connection(false).frames));
          const before = { ...harness.gateway.snapshot().requests };
          const connections = shadow.received.length;
          await harness.send(frames);
          harness.gateway.endFlows();
          const after = harness.gateway.snapshot().requests;
          const replayed = after.replayed - before.replayed;
          const bytes = (): string => Buffer.concat(shadow.received.slice(connections)).toString("latin1");
          const sent = (): string[] => truth.filter((request) => bytes().includes(request));
          await until("what was replayed has arrived", () => sent().length >= replayed, 5_000);
          const got = sent();
          assert.equal(bytes(), got.join(""), "nothing but whole requests");
          assert.ok(isOrderedSubset(got, truth), "in their order");
          assert.equal(got.length, replayed, "as many as were counted");
          const counts = JSON.stringify([before, after]);
          const estimated = after.lostEstimated - before.lostEstimated;
          assert.ok(after.onWire - before.onWire - estimated <= truth.length, `never more than there were: ${counts}`);
          const clean = harm.loss === 0 && harm.reorder === 0 && harm.skip === 0;
          if (clean) assert.deepEqual(got, truth, "all of them when nothing was lost");
          if (harm.loss === 0 && harm.skip === 0 && harm.reorder === 0) {
            assert.equal(after.onWire - before.onWire, truth.length);
          }
        }),
        { numRuns: 120 },
      );
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });
});

describe("gateway: a segment that begins inside a method", () => {
  it("is no place to take a flow up, neither where mirroring begins nor after a hole", async () => {
    const shadow = await answeringServer();
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
    const answer = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
    const whole = (method: string): string => `${method} /whole HTTP/1.1\r\nHost: x\r\n\r\n`;
    const cut = (flow: TcpScript, begun: string, rest: string): TcpScript => {
      flow.say(true, begun).frames.pop();
      return flow.say(true, `${rest} /cut HTTP/1.1\r\nHost: x\r\n\r\n`).say(false, answer).acknowledge(true);
    };
    const [first, second] = [1, 2].map((port) => new TcpScript({ address: "10.8.0.1", port }, server).handshake());
    first!.frames.length = 0;
    cut(first!, "P", "UT").say(true, whole("FROB")).say(false, answer).acknowledge(true);
    second!.say(true, whole("GET")).say(false, answer).acknowledge(true);
    cut(second!, "DE", "LETE").say(true, whole("LOCK")).say(false, answer).acknowledge(true);
    await harness.send([...first!.frames, ...second!.frames]);
    const { requests } = await harness.stop();
    assert.deepEqual(shadow.received.map(String), [whole("FROB"), whole("GET") + whole("LOCK")]);
    assert.deepEqual([requests.replayed, requests.lostByMirror, requests.unusable], [3, 1, { startedBefore: 1 }]);
    harness.remove();
    await shadow.stop();
  });
});

describe("gateway: losses in both directions at once", () => {
  it("estimates regular traffic to the truth, and says that it is an estimate", async () => {
    const shadow = await RecordingServer.start(() => undefined);
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
    const flow = new TcpScript({ address: "10.8.0.1", port: 9 }, server).handshake();
    for (let index = 100; index < 200; index++) {
      flow.say(true, `GET /${index} HTTP/1.1\r\n\r\n`).say(false, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc");
      flow.acknowledge(true);
    }
    await harness.send(flow.close().frames.filter((_, index) => index < 60 || index > 180));
    const { requests } = await harness.stop();
    assert.equal(requests.onWire, 100);
    assert.ok(requests.lostEstimated > 30);
    assert.equal(requests.replayed + requests.lostByMirror, 100);
    harness.remove();
    await shadow.stop();
  });

  it("does not fill the hole of one large request with small ones after it has seen a single small one", async () => {
    const shadow = await answeringServer();
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
    const flow = new TcpScript({ address: "10.8.0.1", port: 9 }, server).handshake();
    const exchange = (request: string): TcpScript =>
      flow.say(true, request).acknowledge(false).say(false, "HTTP/1.1 204 No Content\r\n\r\n").acknowledge(true);
    const seen = exchange(requestOf("1", "", false)).frames.splice(0);
    exchange(requestOf("2", "b".repeat(2_500), false)).frames.length = 0;
    exchange(requestOf("3", "", false)).close();
    await harness.send([...seen, ...flow.frames]);
    const { requests } = await harness.stop();
    assert.ok(requests.onWire >= 3 && requests.onWire <= 5, `${requests.onWire} of 3`);
    harness.remove();
    await shadow.stop();
  });

  const regular: Record<string, (number: number) => [asked: string, answered: string]> = {
    http: (number) => [requestOf(`r${number}`, "", false), "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc"],
    redis: (number) => [`*2\r\n$3\r\nGET\r\n$4\r\n${number}\r\n`, "$3\r\nabc\r\n"],
  };
  for (const [name, exchange] of Object.entries(regular)) {
    const flowOf = (isn: number, count: number): TcpScript => {
      const options = { clientIsn: isn, serverIsn: 2 * isn };
      const flow = new TcpScript({ address: "10.8.0.1", port: 9 }, server, options).handshake();
      for (let number = 1_000; number < 1_000 + count; number++) {
        const [asked, answered] = exchange(number);
        flow.say(true, asked).acknowledge(false).say(false, answered).acknowledge(true);
      }
      return flow;
    };
    const countedOf = async (frames: Buffer[]): Promise<number> => {
      const shadow = await RecordingServer.start((socket) => socket.destroy());
      const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
      await harness.send(frames);
      harness.gateway.endFlows();
      const { requests } = await harness.stop();
      harness.remove();
      await shadow.stop();
      return requests.onWire;
    };

    it(`knows how many went by in a long outage (${name})`, async () => {
      const { frames } = flowOf(1_000, 100).close();
      const onWire = await countedOf([...frames.slice(0, 3 + 4 * 15), ...frames.slice(3 + 4 * 95)]);
      assert.ok(Math.abs(onWire - 100) <= 3, `${onWire} of 100`);
    });

    it(`does not fill the distance to the numbers of another connection with requests (${name})`, async () => {
      const [seen, more] = [9, 3];
      for (const later of [100_000, 1_500_000]) {
        const frames = [
          ...flowOf(1_000, seen).frames,
          ...flowOf(1_000 + later, more)
            .close()
            .frames.slice(3),
        ];
        const onWire = await countedOf(frames);
        assert.ok(onWire <= 9 * (seen + more), `${onWire} of ${seen + more}`);
      }
    });
  }

  it("does not take a large answer to a lost request for one to the next that it sees", async () => {
    const shadow = await answeringServer();
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
    const flow = new TcpScript({ address: "10.8.0.1", port: 9 }, server).handshake();
    const frames = flow.frames.splice(0);
    const exchanges = (count: number, answerBytes: number): { asked: Buffer[]; answered: Buffer[] }[] =>
      Array.from({ length: count }, (_, index) => {
        const asked = flow.say(true, requestOf(String(index), "", false)).frames.splice(0);
        flow.say(false, `HTTP/1.1 200 OK\r\nContent-Length: ${answerBytes}\r\n\r\n${"a".repeat(answerBytes)}`);
        return { asked, answered: flow.acknowledge(true).frames.splice(0) };
      });
    const whole = (): Buffer[] => exchanges(10, 50).flatMap(({ asked, answered }) => [...asked, ...answered]);
    frames.push(...whole(), ...exchanges(1, 1_000_000).flatMap(({ answered }) => answered), ...whole());
    exchanges(60, 50);
    frames.push(...whole());
    await harness.send([...frames, ...flow.close().frames]);
    const { requests } = await harness.stop();
    assert.ok(Math.abs(requests.onWire - 91) <= 5, `${requests.onWire} of 91`);
    harness.remove();
    await shadow.stop();
  });

  const traffic: { name: string; burst: number; bodies: number; lostInARow?: number; within: number }[] = [
    { name: "one request after another", burst: 1, bodies: 0, within: 0.01 },
    { name: "pipelines", burst: 6, bodies: 0, within: 0.02 },
    { name: "pipelines with some large bodies", burst: 6, bodies: 0.2, within: 0.06 },
    { name: "one request after another, lost in bursts", burst: 1, bodies: 0, lostInARow: 12, within: 0.04 },
    { name: "pipelines, lost in bursts", burst: 6, bodies: 0, lostInARow: 12, within: 0.04 },
  ];
  for (const { name, burst, bodies: withBody, lostInARow, within } of traffic) {
    it(`knows how many went by of ${name}, with answers of every size`, async () => {
      const shadow = await answeringServer();
      const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` } });
      const random = randomFrom(11);
      const [flows, each] = [20, 60];
      const answer = (): string => "a".repeat(Math.floor(64 * 400 ** random()));
      const body = (): string => (random() < withBody ? "b".repeat(Math.floor(100 * 200 ** random())) : "");
      for (let port = 1; port <= flows; port++) {
        const flow = new TcpScript({ address: "10.8.0.1", port }, server).handshake();
        for (let index = 0; index < each; index += burst) {
          for (let next = index; next < index + burst; next++) flow.say(true, requestOf(String(next), body(), false));
          flow.acknowledge(false);
          for (let next = index; next < index + burst; next++) {
            const content = answer();
            flow.say(false, `HTTP/1.1 200 OK\r\nContent-Length: ${content.length}\r\n\r\n${content}`);
          }
          flow.acknowledge(true);
        }
        const handshake = flow.frames.splice(0, 3);
        const harm = { loss: 0.2, burst: lostInARow, duplicate: 0, reorder: 0, skip: 0, seed: port };
        await harness.send([...handshake, ...damaged(flow.close().frames, harm)]);
      }
      const { requests } = await harness.stop();
      const error = requests.onWire / (flows * each) - 1;
      assert.ok(Math.abs(error) <= within, `${error} more than there were`);
      assert.ok(requests.lostEstimated > 0);
      harness.remove();
      await shadow.stop();
    });
  }
});
