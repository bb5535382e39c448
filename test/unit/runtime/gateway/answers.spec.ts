import assert from "node:assert/strict";
import type { Socket } from "node:net";

import fc from "fast-check";

import { answersOf, takeAnswer } from "../../../../components/runtime/gateway/compare/answers";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { mongoMessage } from "../../../support/protocols";

const client = { address: "10.8.0.1", port: 40_000 };
const server = { address: "10.9.0.1", port: 6379 };

function postgres(...types: string[]): Buffer {
  return Buffer.concat(types.map((type) => Buffer.from([type.charCodeAt(0), 0, 0, 0, 7, 90, 0, 0])));
}

function mysql(...packets: Buffer[]): Buffer {
  const framed = packets.map((packet, index) => [Buffer.from([packet.length, 0, 0, index + 1]), packet]);
  return Buffer.concat(framed.flat());
}

const mysqlEnd = Buffer.from([0xfe, 0, 0, 2, 0]);
const mysqlRow = Buffer.from([3, 97, 98, 99]);

/** Whole answers, and how many ends they have. */
const cases: [application: string, answer: Buffer, ends: number][] = [
  ["redis", Buffer.from("+OK\r\n:12\r\n-ERR no\r\n"), 3],
  ["redis", Buffer.from("$5\r\na\r\nbc\r\n$-1\r\n*-1\r\n*0\r\n"), 4],
  ["redis", Buffer.from("*3\r\n$1\r\na\r\n*2\r\n:1\r\n:2\r\n$0\r\n\r\n"), 1],
  ["redis", Buffer.from("%2\r\n+a\r\n:1\r\n+b\r\n~1\r\n#t\r\n>2\r\n+push\r\n+me\r\n_\r\n"), 2],
  ["redis", Buffer.from("|1\r\n+ttl\r\n:5\r\n$2\r\nhi\r\n=7\r\ntxt:abc\r\n,1.5\r\n"), 3],
  ["postgres", postgres("T", "D", "D", "C", "Z"), 1],
  ["postgres", postgres("1", "2", "C", "Z", "E", "Z"), 2],
  ["postgres", postgres("G"), 1],
  ["mysql", mysql(Buffer.from([0, 1, 0, 2, 0, 0, 0])), 1],
  ["mysql", mysql(Buffer.from([1]), mysqlRow, mysqlEnd, mysqlRow, Buffer.from([0, 1, 2]), mysqlEnd), 2],
  ["dns", Buffer.concat([Buffer.from([0, 12]), Buffer.alloc(12), Buffer.from([0, 1, 9])]), 2],
  ["mongodb", Buffer.concat([mongoMessage(1, Buffer.from("a")), mongoMessage(2, Buffer.from("bc"), 2)]), 2],
];

describe("gateway: ends of answers", () => {
  it("finds them however the bytes come", () => {
    for (const [application, answer, ends] of cases) {
      fc.assert(
        fc.property(fc.array(fc.nat(answer.length), { maxLength: 8 }), (cuts) => {
          const walker = answersOf(application)!;
          const places = [0, ...cuts.sort((a, b) => a - b), answer.length];
          for (const [index, from] of places.slice(0, -1).entries()) walker.walk(answer, from, places[index + 1]!);
          assert.deepEqual([walker.whole, walker.within, walker.ended], [true, false, ends], answer.toString());
        }),
      );
    }
  });

  it("hand over as content all but the headers of MongoDB, which hold a number of the server's own", () => {
    const nonsense = Buffer.from("HTTP/1.1 200 OK, and more than a header");
    const others: typeof cases = [
      ["mongodb", nonsense, 0],
      ["mongodb", mongoMessage(1, Buffer.alloc(3)).fill(0xff, 0, 4), 0],
    ];
    for (const [application, answer, ends] of [...cases, ...others]) {
      const bare = ends === 0 || application !== "mongodb" ? [answer] : [answer.subarray(16, 22), answer.subarray(38)];
      fc.assert(
        fc.property(fc.array(fc.nat(answer.length), { maxLength: 8 }), (cuts) => {
          const walker = answersOf(application)!;
          const places = [0, ...cuts.sort((a, b) => a - b), answer.length];
          const content: Buffer[] = [];
          const sink = {
            add: (bytes: Buffer, from: number, to: number): void =>
              void content.push(Buffer.from(bytes.subarray(from, to))),
          };
          for (const [index, from] of places.slice(0, -1).entries())
            takeAnswer(walker, sink, answer, from, places[index + 1]!);
          assert.deepEqual(Buffer.concat(content), Buffer.concat(bare));
        }),
      );
    }
  });

  it("knows that an answer is half there, and one that is none", () => {
    for (const [application, answer] of cases) {
      const walker = answersOf(application)!;
      walker.walk(answer, 0, answer.length - 1);
      assert.deepEqual([walker.whole, walker.within], [false, true], answer.toString());
    }
    for (const [application, nonsense] of [
      ["redis", "hello\r\n"],
      ["redis", "$?\r\n"],
      ["redis", `*${"9".repeat(20)}\r\n`],
      ["postgres", "HTTP/1.1 200"],
    ] as const) {
      const walker = answersOf(application)!;
      walker.walk(Buffer.from(nonsense), 0, nonsense.length);
      assert.deepEqual([walker.whole, walker.within], [false, false], nonsense);
    }
  });

  it("takes an error of MySQL for the end of whatever was asked", () => {
    const walker = answersOf("mysql")!;
    const answer = mysql(Buffer.from([0xff, 1, 2, 3]));
    walker.walk(answer, 0, answer.length);
    assert.equal(walker.ended, Infinity);
  });
});

describe("gateway: answers of another length than live's", () => {
  /** Live answers `GET a` with `value` again and again; `answer` is the shadow. */
  const talk = async (
    turns: number,
    value: string,
    answer: (socket: Socket) => void,
  ): Promise<{ equal: (boolean | undefined)[]; bytes: number[]; lag: number }> => {
    const shadow = await RecordingServer.start(answer);
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
    const script = new TcpScript(client, server).handshake();
    for (let turn = 0; turn < turns; turn++) {
      script.say(true, "*2\r\n$3\r\nGET\r\n$1\r\na\r\n").say(false, value).acknowledge(true);
    }
    await harness.send(script.close().frames);
    await until("all are paired", () => harness.gateway.snapshot().compare.paired === turns);
    await harness.stop();
    const samples = harness.samples();
    harness.remove();
    await shadow.stop();
    return {
      equal: samples.map(({ equal }) => equal),
      bytes: samples.map((sample) => sample.shadow.bytes!),
      lag: Math.max(...samples.map(({ lagMilliseconds }) => lagMilliseconds)),
    };
  };

  it("does not wait when they are shorter and have ended", async () => {
    const { bytes, lag } = await talk(40, ":1000\r\n", (socket) => socket.write(":1\r\n"));
    assert.deepEqual(bytes, Array<number>(40).fill(4));
    assert.ok(lag < 1_000, `${lag} ms`);
  });

  it("waits for the rest when they are longer", async () => {
    const { bytes } = await talk(3, "$1\r\na\r\n", (socket) => {
      socket.write("$6\r\nabcd");
      setTimeout(() => socket.write("ef\r\n"), 100);
    });
    assert.deepEqual(bytes, [12, 12, 12]);
  });

  it("waits for the rest also when the shadow pauses for longer than an answer without a known end may", async () => {
    const { bytes } = await talk(1, "$1\r\na\r\n", (socket) => {
      socket.write("$6\r\nabcd");
      setTimeout(() => socket.write("ef\r\n"), 1_300);
    });
    assert.deepEqual(bytes, [12]);
  });

  for (const pause of [20, 400]) {
    it(`waits for several answers when live gave several, ${pause} ms apart`, async () => {
      const { bytes, equal } = await talk(3, "+a\r\n+bc\r\n", (socket) => {
        socket.write("+abc\r\n");
        setTimeout(() => socket.write("+\r\n"), pause);
      });
      assert.deepEqual([bytes, equal], [Array<number>(3).fill(9), Array<boolean>(3).fill(false)]);
    });
  }
});
