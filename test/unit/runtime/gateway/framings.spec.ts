import assert from "node:assert/strict";

import fc from "fast-check";

import { framingInside, framingOf, type Walker } from "../../../../components/runtime/gateway/compare/framings";
import {
  amqpFrame,
  amqpMethod,
  amqpPublish,
  mongoMessage,
  postgresMessage,
  redisCommand,
} from "../../../support/protocols";

function sized(bytes: number, write: (buffer: Buffer) => void, ...rest: Buffer[]): Buffer {
  const head = Buffer.alloc(bytes);
  write(head);
  return Buffer.concat([head, ...rest]);
}

const mysql = (sequence: number, body: Buffer): Buffer =>
  sized(4, (b) => ((b[3] = sequence), b.writeUIntLE(body.length, 0, 3)), body);
const dns = (body: Buffer): Buffer => sized(2, (b) => b.writeUInt16BE(12 + body.length), Buffer.alloc(12), body);

const text = Buffer.from("some content with spaces");
/** A message of MongoDB of another kind than the present one. */
const operation = (code: number): Buffer =>
  sized(16, (b) => (b.writeUInt32LE(24), b.writeUInt32LE(code, 12)), Buffer.alloc(8, 2));

const declare = (channel: number): Buffer => amqpMethod(channel, 50, 10, Buffer.alloc(2));
const publish = (channel: number): Buffer => amqpMethod(channel, 60, 40, Buffer.alloc(3));

/** The header of a content of so many bytes. */
function content(channel: number, bytes: number): Buffer {
  const header = sized(14, (b) => (b.writeUInt16BE(60), b.writeBigUInt64BE(BigInt(bytes), 4)));
  return amqpFrame(2, channel, header);
}

/** A message with its content in two pieces. */
function published(channel: number, body: Buffer): Buffer {
  const pieces = [body.subarray(0, body.length >> 1), body.subarray(body.length >> 1)];
  return Buffer.concat(
    amqpPublish(
      channel,
      pieces.filter((piece) => piece.length > 0),
    ),
  );
}

const body = fc.uint8Array({ maxLength: 300 }).map((bytes) => Buffer.from(bytes));
const letter = fc.constantFrom(...Array.from("QPBDESXCHFdcfp"));

/** Messages of each protocol in the middle of a connection, and what a connection may begin with. */
const protocols: Record<string, { first: Buffer[]; message: fc.Arbitrary<Buffer>; wrong: Buffer[] }> = {
  redis: {
    first: [],
    message: fc.oneof(
      fc.array(body, { minLength: 1, maxLength: 12 }).map((words) => redisCommand("SET", ...words)),
      fc.constantFrom("PING\r\n", "GET a\n").map((line) => Buffer.from(line)),
    ),
    wrong: ["*1\r\n:4\r\n", "\x01\r\n", "*1\r\n$x\r\n"].map((text) => Buffer.from(text)),
  },
  mongodb: {
    first: [],
    message: body.map((bytes) => mongoMessage(1, bytes)),
    wrong: [Buffer.alloc(16), sized(16, (b) => (b.writeUInt32LE(15), b.writeUInt32LE(2013, 12)))],
  },
  dns: { first: [], message: body.map(dns), wrong: [Buffer.from([0, 11])] },
  postgres: {
    first: [Buffer.from("0000000804d2162f", "hex"), Buffer.from("0000000c0003000075000000", "hex")],
    message: fc.tuple(letter, body).map(([type, bytes]) => postgresMessage(type, bytes)),
    wrong: [Buffer.from("!0000"), Buffer.from("5100000003", "hex")],
  },
  mysql: {
    first: [mysql(1, Buffer.alloc(60))],
    message: fc.tuple(fc.nat(255), body).map(([sequence, bytes]) => mysql(sequence, bytes)),
    wrong: [],
  },
  amqp: {
    first: [Buffer.from("AMQP\0\0\t\u0001", "latin1")],
    message: fc.oneof(
      fc.constantFrom(1, 2, 700).map(declare),
      fc.tuple(fc.constantFrom(1, 2, 700), body).map(([channel, bytes]) => published(channel, bytes)),
      fc.constant(amqpFrame(8, 0, Buffer.alloc(0))),
    ),
    wrong: [
      Buffer.concat([declare(1).subarray(0, -1), Buffer.alloc(1)]),
      amqpMethod(1, 153, 1),
      amqpFrame(1, 1, Buffer.from("0032", "hex")),
      amqpFrame(8, 0, Buffer.alloc(1)),
      content(1, 5),
      Buffer.concat([publish(1), declare(1)]),
      Buffer.concat([publish(1), amqpFrame(3, 1, Buffer.alloc(0))]),
      Buffer.concat([publish(1), content(2, 5)]),
      Buffer.concat([publish(1), content(1, 5), amqpFrame(3, 1, Buffer.alloc(6))]),
      Buffer.concat([publish(1), amqpFrame(2, 1, Buffer.alloc(13))]),
      amqpFrame(4, 1, Buffer.alloc(4)),
    ],
  },
};

describe("gateway: where messages end", () => {
  for (const [application, { first, message, wrong }] of Object.entries(protocols)) {
    const framing = framingOf(application)!;
    const others = first.length > 0 ? [true, false] : [true];

    it(`is known of ${application}, however its bytes come`, () => {
      const cuts = fc.array(fc.nat(2_000), { maxLength: 12 });
      fc.assert(
        fc.property(fc.array(message, { maxLength: 8 }), cuts, fc.constantFrom(...others), (list, places, begins) => {
          const messages = [...(begins ? first : []), ...list];
          const bytes = Buffer.concat(messages);
          const ends = new Set<number>([0]);
          for (let index = 0, at = 0; index < messages.length; index++) ends.add((at += messages[index]!.length));
          const walker = framing.walker(begins);
          let at = 0;
          for (const to of [...places.filter((place) => place < bytes.length).sort((a, b) => a - b), bytes.length]) {
            const last = Math.max(...[...ends].filter((end) => end <= to));
            assert.equal(walker.walk(chunkOf(bytes, at, to), 3, 3 + to - at), 3 + Math.max(last - at, 0));
            assert.deepEqual([walker.atBoundary, walker.broken], [ends.has(to), false]);
            if (framing.answersEach === true) {
              assert.equal(walker.ended, [...ends].filter((end) => end > 0 && end <= to).length);
            }
            at = to;
          }
        }),
        { numRuns: 200 },
      );
    });

    it(`is known of ${application} no more once something else came`, () => {
      const [sample] = fc.sample(message, { numRuns: 1, seed: 5 }) as [Buffer];
      for (const bytes of wrong) {
        const walker = framing.walker(false);
        const all = Buffer.concat([sample, bytes, sample]);
        walker.walk(all, 0, all.length);
        assert.equal(walker.broken, true, bytes.toString("hex"));
        assert.equal(walker.walk(sample, 0, sample.length), 0);
      }
    });
  }

  it("is found again at a segment of whole messages, and nowhere within one", () => {
    const whole: Record<string, Buffer> = {
      redis: redisCommand("SET", "key", text),
      mongodb: mongoMessage(7, text),
      dns: dns(text),
      postgres: postgresMessage("Q", text),
      mysql: mysql(0, Buffer.concat([Buffer.from([3]), text])),
      amqp: declare(1),
    };
    for (const [application, bytes] of Object.entries(whole)) {
      const framing = framingOf(application)!;
      const found: number[] = [];
      for (let at = 0; at < bytes.length; at++) if (framing.begins(bytes, at, bytes.length)) found.push(at);
      assert.deepEqual(found, [0], application);
      const two = Buffer.concat([Buffer.from("##"), bytes, bytes, Buffer.from("##")]);
      assert.equal(framing.begins(two, 2, two.length - 2), true, application);
      const sessionless = ["redis", "mongodb", "dns"].includes(application);
      assert.equal(framingInside(two, 2, two.length - 2), sessionless ? framing : undefined, application);
    }
    const reply = mysql(1, Buffer.concat([Buffer.from([3]), text]));
    assert.equal(framingOf("mysql")!.begins(reply, 0, reply.length), false, "an answer's packet");
    const unknownCommand = mysql(0, Buffer.concat([Buffer.from([33]), text]));
    assert.equal(framingOf("mysql")!.begins(unknownCommand, 0, unknownCommand.length), false);
  });

  it("is told by every operation that MongoDB has, and by no other", () => {
    const broken = (operation: number): boolean => {
      const message = sized(16, (b) => (b.writeUInt32LE(20), b.writeUInt32LE(operation, 12)), Buffer.alloc(4));
      const walker = framingOf("mongodb")!.walker(true);
      walker.walk(message, 0, message.length);
      return walker.broken;
    };
    for (const known of [1, 2001, 2002, 2004, 2005, 2006, 2007, 2010, 2011, 2012, 2013])
      assert.equal(broken(known), false);
    for (const unknown of [0, 2, 2003, 2008, 2009, 2014]) assert.equal(broken(unknown), true);
  });

  it("is where a message of MongoDB ends that is not answered, unless one before it is", () => {
    const answered = [mongoMessage(1, text), operation(2004), operation(2012), operation(2005)];
    const told = [mongoMessage(1, text, 2), mongoMessage(1, text, 3), ...[2001, 2002, 2006, 2007].map(operation)];
    for (const [index, first] of [...told, ...answered].entries()) {
      for (const [next, second] of [...told, ...answered].entries()) {
        const walker = framingOf("mongodb")!.walker(true);
        const bytes = Buffer.concat([first, second]);
        const isTold = index < told.length;
        assert.deepEqual([walker.walk(bytes, 0, 9), walker.told], [0, false]);
        assert.deepEqual(
          [walker.walk(bytes, 9, bytes.length), walker.told],
          [isTold ? first.length : bytes.length, isTold],
        );
        if (!isTold) continue;
        const rest = walker.walk(bytes, first.length, bytes.length);
        assert.deepEqual([rest, walker.told], [bytes.length, next < told.length]);
        assert.equal(framingOf("mongodb")!.begins(bytes, 0, bytes.length), true);
        const spoilt = Buffer.concat([first, Buffer.alloc(30)]);
        assert.equal(framingOf("mongodb")!.begins(spoilt, 0, spoilt.length), false);
      }
    }
  });

  it("is not known once MySQL is asked for encryption, which is asked for in the first message alone", () => {
    const asked = mysql(1, Buffer.alloc(32));
    const walked = (walker: Walker, ...messages: Buffer[]): boolean => {
      for (const bytes of messages) walker.walk(bytes, 0, bytes.length);
      return walker.broken;
    };
    const framing = framingOf("mysql")!;
    assert.equal(walked(framing.walker(true), asked), true);
    assert.equal(walked(framing.walker(false), asked), false);
    assert.equal(walked(framing.walker(true), mysql(1, Buffer.alloc(60)), asked), false);
  });

  it("is not looked for in another version of AMQP, nor in a protocol without one", () => {
    const walker = framingOf("amqp")!.walker(true);
    walker.walk(Buffer.from("AMQP\0\u0001\0\0", "latin1"), 0, 8);
    assert.equal(walker.broken, true);
    assert.deepEqual(
      [framingOf("ssh"), framingOf(undefined), framingInside(Buffer.from("hello"), 0, 5)],
      Array(3).fill(undefined),
    );
  });
});

/** Bytes `from`–`to` amid others that must not be looked at. */
function chunkOf(bytes: Buffer, from: number, to: number): Buffer {
  return Buffer.concat([Buffer.alloc(3, 0xff), bytes.subarray(from, to), Buffer.alloc(3, 0xff)]);
}
