import assert from "node:assert/strict";

import {
  awaitsRequestLine,
  recognise,
  recogniseDatagram,
} from "../../../../components/runtime/gateway/flows/signatures";
import { mongoMessage, redisCommand } from "../../../support/protocols";

const none = Buffer.alloc(0);
const text = (value: string): Buffer => Buffer.from(value, "latin1");
const hex = (value: string): Buffer => Buffer.from(value.replaceAll(" ", ""), "hex");

/** A question for one name as it stands in a datagram. */
const question = hex("1234 0100 0001 0000 0000 0000 01 61 00 0001 0001");
const answer = hex("1234 8180 0001 0001 0000 0000 01 61 00 0001 0001");
const update = hex("1234 2800 0001 0002 0000 0000 01 61 00 0006 0001");

function overTcp(message: Buffer): Buffer {
  return Buffer.concat([Buffer.from([0, message.length]), message]);
}

/** What clients open with. */
const openings: Record<string, Buffer[]> = {
  http1: [
    text("GET / HTTP/1.1\r\nHost: a\r\n\r\n"),
    text("\r\n\n\r\nM-SEARCH * HTTP/1.0\n"),
    text("PRI * HTTP/1.1\r\n"),
    text(`PATCH /${"p".repeat(200)} HTTP/1.1\r\n`),
  ],
  http2: [text("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
  tls: [hex("16 0301 0005 01 00000000"), hex("16 0304 0005 01")],
  dns: [overTcp(question), overTcp(update)],
  postgres: [hex("00000008 04d2162f"), hex("00000008 04d21630"), hex("00000010 04d2162e"), hex("00000029 00030000 75")],
  redis: [redisCommand("PING"), redisCommand(...Array.from({ length: 120 }, () => "x"))],
  ssh: [text("SSH-2.0-OpenSSH_9.6\r\n")],
  mongodb: [mongoMessage(1, text("hello")), hex("3a000000 01000000 00000000 d4070000 00000000")],
  amqp: [text("AMQP\0\0\t\u0001")],
};

/** What looks like one of them and is none. */
const others = [
  ...[
    "get key\r\n",
    "NICK name\r\n",
    "REGISTER sip:a SIP/2.0\r\n",
    "GET / FTP\r\n",
    "*0\r\n$4\r\n",
    "*1\r\n:4\r\n",
  ].map(text),
  ...["SSX-2.0", "AMQX", "HELO a\r\n", "PRI * HTTP/2.1\r\n", "\x01\x02\x03 something that nobody knows"].map(text),
  ...["15 0301 0005 02", "16 0201 0005 01", "16 0305 0005 01", "16 0301 0005 02"].map((bytes) =>
    hex(`${bytes}${"00".repeat(16)}`),
  ),
  ...["00000007 00030000", "00002711 00030000", "00000008 00020000", "00000008 04d2162d", "00000008 04d21631"].map(
    (bytes) => hex(`${bytes}${"ff".repeat(16)}`),
  ),
  overTcp(answer),
  overTcp(hex("1234 0100 0002 0000 0000 0000 01 61 00 0001 0001")),
  overTcp(hex("1234 0100 0001 0001 0000 0000 01 61 00 0001 0001")),
  hex("0f000000 01000000 00000000 dd070000 00"),
  hex("3a000000 01000000 00000000 de070000 00"),
];

/** What servers speak first. */
const greetings: Record<string, Buffer> = {
  mysql: hex("4a000000 0a 38 2e 30 2e 33 36 00"),
  ssh: text("SSH-2.0-OpenSSH_9.6\r\n"),
  http2: hex("000012 04 00 00000000"),
  http1: text("HTTP/1.1 408 Request Timeout\r\n"),
};

describe("gateway: by which words an application is known", () => {
  for (const [name, list] of Object.entries(openings)) {
    it(`are those of ${name}, and before they are whole it stays open`, () => {
      for (const bytes of list) {
        const told = Array.from({ length: bytes.length }, (_, length) =>
          recognise(bytes.subarray(0, length), none, false),
        );
        assert.equal(recognise(bytes, none, false), name, bytes.toString("latin1"));
        const known = told.indexOf(name);
        for (const [length, word] of told.entries()) {
          const expected = known >= 0 && length >= known ? name : "maybe";
          assert.equal(word, expected, `${length} bytes of ${bytes.toString("latin1")}`);
        }
        assert.equal(recognise(bytes, none, true), name);
      }
    });
  }

  it("are not what only looks like them", () => {
    for (const bytes of others) assert.equal(recognise(bytes, none, true), undefined, bytes.toString("latin1"));
  });

  it("are the server's where it speaks first, also before the client is seen", () => {
    for (const [name, bytes] of Object.entries(greetings)) {
      for (const client of [none, hex("0102")]) {
        for (let length = 0; length < bytes.length; length++) {
          const word = recognise(client, bytes.subarray(0, length), false);
          assert.ok(word === "maybe" || word === name, `${length} bytes of ${name}: ${word}`);
        }
        assert.equal(recognise(client, bytes, false), name);
      }
    }
    const strange = [
      ...["4a000001 0a 38 2e 30", "4a000000 09 38 2e 30", "00040000 0a 38 2e 30", "4a000000 0a 3a 2e 30"],
      ...[
        "000013 04 00 00000000",
        "000012 05 00 00000000",
        "000012 04 01 00000000",
        "000012 04 00 00000001",
        "000102 04 00 00000000",
      ],
    ];
    for (const bytes of strange) {
      assert.equal(recognise(none, hex(bytes), true), undefined, bytes);
      assert.equal(recognise(none, Buffer.concat([hex(bytes), Buffer.alloc(300, 1)]), false), undefined, bytes);
    }
  });

  it("are waited for as long as a first line may still become a request, and the server is silent", () => {
    for (const line of ["G", "GET", "GET /path", "GET /path HT", "\r\nGET /a HTTP/1"]) {
      assert.equal(awaitsRequestLine(text(line), none), true, line);
      assert.equal(awaitsRequestLine(text(line), text("x")), false, line);
    }
    for (const line of ["", "GET / HTTP/1.1\r\n", "get key\r\n", "GET / SIP", "\x01\x02", "*1\r\n"]) {
      assert.equal(awaitsRequestLine(text(line), none), false, line);
    }
    assert.equal(recognise(text("GET /path"), none, true), "http1", "nothing more comes");
    assert.equal(recognise(text("GET /path"), text("what?"), true), undefined, "the server has answered before");
  });

  it("are those of a question in a datagram, and of nothing else", () => {
    assert.deepEqual([recogniseDatagram(question), recogniseDatagram(update)], ["dns", "dns"]);
    const strange = [answer, question.subarray(0, 11), hex("1234 0100 0000 0000 0000 0000"), Buffer.alloc(40, 0xff)];
    for (const bytes of strange) assert.equal(recogniseDatagram(bytes), undefined, bytes.toString("hex"));
  });
});
