import assert from "node:assert/strict";
import { createSocket } from "node:dgram";

import { applicationNames } from "../../../../components/internal/applications";
import { recognise, signatureNames } from "../../../../components/runtime/gateway/flows/signatures";
import { TcpScript, udpFrame } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const client = { address: "10.8.0.1", port: 40_000 };
const server = { address: "10.9.0.1", port: 6379 };

describe("gateway: protocols other than HTTP/1", () => {
  it("goes by turns, and a turn waits for the shadow's answer to the one before", async () => {
    const seen: string[] = [];
    const shadow = await RecordingServer.start((socket, _all, fresh) => {
      seen.push(fresh.toString());
      setTimeout(() => socket.write("+OK\r\n"), 30);
    });
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
    const script = new TcpScript(client, server).handshake();
    const turns = ["*1\r\n$4\r\nPING\r\n", "*2\r\n$3\r\nGET\r\n$1\r\na\r\n", "*1\r\n$4\r\nQUIT\r\n"];
    for (const turn of turns) script.say(true, turn).say(false, "+OK\r\n").acknowledge(true);
    await harness.send(script.close().frames);
    await until("all are paired", () => harness.gateway.snapshot().compare.equal === 3);
    assert.deepEqual(seen, turns);
    assert.equal((await harness.stop()).requests.coverage, 1);
    harness.remove();
    await shadow.stop();
  });

  it("carries a flow whose messages have no known end no further after a hole, and counts what came after it", async () => {
    const shadow = await RecordingServer.start((socket) => socket.write("+OK\r\n"));
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
    const script = new TcpScript(client, server).handshake();
    for (const name of ["a", "b", "c", "d"]) {
      script.say(true, `\x01\x02 about ${name}`).say(false, "+OK\r\n").acknowledge(true);
    }
    await harness.send(script.close().frames.filter((_, index) => index !== 6));
    const { requests, flows } = await harness.stop();
    assert.equal(requests.onWire, 4);
    assert.equal(requests.replayed, 1);
    assert.equal(requests.lostByMirror, 1);
    assert.deepEqual(requests.unusable, { noBoundary: 2 });
    assert.equal(flows.uncovered, 1);
    harness.remove();
    await shadow.stop();
  });

  it("takes a shadow that ends the connection before live does for one that did what live does", async () => {
    const shadow = await RecordingServer.start((socket) => socket.end());
    const to = { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` };
    const harness = await GatewayHarness.start({ to, responseTimeoutSeconds: 2 });
    const talk = async (port: number, live: (script: TcpScript) => TcpScript): Promise<(string | undefined)[]> => {
      const script = new TcpScript({ ...client, port }, server).handshake().say(true, "\x01\x02 leave").end(true);
      const before = shadow.received.length;
      await harness.send(script.frames.splice(0));
      await until("the shadow has ended", () => shadow.received.length > before && shadow.sockets.size === 0);
      await new Promise((done) => setTimeout(done, 100));
      const { length } = harness.samples();
      await harness.send(live(script).frames);
      await until("there is a sample", () => harness.samples().length > length);
      const { live: first, shadow: second } = harness.samples().at(-1)!;
      return [first.error, second.error];
    };
    assert.deepEqual(await talk(1, (script) => script.end(false)), [undefined, undefined]);
    assert.deepEqual(await talk(2, (script) => script.say(false, "farewell").end(false)), [undefined, "closed"]);
    assert.deepEqual(await talk(3, (script) => script), ["timeout", undefined]);
    const { requests } = await harness.stop();
    assert.deepEqual([requests.answered, requests.failed], [2, { closed: 1 }]);
    harness.remove();
    await shadow.stop();
  });

  it("forwards datagrams and pairs their answers", async () => {
    const shadow = createSocket("udp4");
    shadow.on("message", (message, { port, address }) => shadow.send(`re:${message.toString()}`, port, address));
    await new Promise<void>((done) => shadow.bind(0, "127.0.0.1", done));
    const target = `127.0.0.1:${shadow.address().port}`;
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": target } });
    for (const [index, text] of ["one", "two"].entries()) {
      const reply = udpFrame(server, client, Buffer.from(`re:${text}`));
      await harness.send([udpFrame(client, server, Buffer.from(text)), reply]);
      await until("they are paired", () => harness.gateway.snapshot().compare.paired === index + 1);
    }
    assert.equal((await harness.stop()).compare.equal, 2);
    harness.remove();
    shadow.close();
  });

  it("knows the datagrams that came cut or in fragments for lost, on either side", async () => {
    const shadow = createSocket("udp4");
    shadow.on("message", (message, { port, address }) => shadow.send(message, port, address));
    await new Promise<void>((done) => shadow.bind(0, "127.0.0.1", done));
    const to = { "10.9.0.1:6379": `127.0.0.1:${shadow.address().port}` };
    const harness = await GatewayHarness.start({ to });
    const fragments = (frame: Buffer): Buffer[] => {
      const first = Buffer.from(frame.subarray(0, 14 + 20 + 80));
      const second = Buffer.concat([frame.subarray(0, 14 + 20), frame.subarray(14 + 20 + 80)]);
      for (const part of [first, second]) part.writeUInt16BE(part.length - 14, 16);
      first.writeUInt16BE(0x2000, 20);
      second.writeUInt16BE(80 / 8, 20);
      return [first, second];
    };
    const ask = (size: number): Buffer => udpFrame(client, server, Buffer.alloc(size, 65));
    const tell = (size: number): Buffer => udpFrame(server, client, Buffer.alloc(size, 65));
    await harness.send([...fragments(ask(200)), ...fragments(tell(200)), ask(9), tell(9)]);
    await harness.send([ask(10), ...fragments(tell(200)), ask(11), tell(200).subarray(0, 90)]);
    await until("all are answered", () => harness.gateway.snapshot().requests.answered === 3);
    const { requests, intake } = await harness.stop();
    assert.deepEqual([requests.onWire, requests.lostByMirror], [4, 1]);
    assert.deepEqual([intake.truncated, intake.malformed], [4, { fragment: 3 }]);
    assert.deepEqual(
      harness.samples().map(({ live }) => live.error),
      [undefined, "lost", "lost"],
    );
    harness.remove();
    shadow.close();
  });

  it("asks what the client says of a flow of datagrams, also when its server is seen first", async () => {
    const query = Buffer.from("1234010000010000000000000161000001", "hex");
    const shadow = createSocket("udp4");
    const seen: string[] = [];
    shadow.on("message", (message) => seen.push(message.toString("hex", 0, 2)));
    await new Promise<void>((done) => shadow.bind(0, "127.0.0.1", done));
    const to = { "10.9.0.1:6379": `127.0.0.1:${shadow.address().port}` };
    const include = [{ application: "dns" }, { payloadHex: "7070" }];
    const harness = await GatewayHarness.start({ to, include, exclude: [{ payloadHex: "7272" }] });
    const flow = (port: number, question: Buffer, answer: string): Buffer[] => [
      udpFrame(server, { ...client, port }, Buffer.from(answer)),
      udpFrame({ ...client, port }, server, question),
    ];
    await harness.send([
      ...flow(1, query, "rr"),
      ...flow(2, Buffer.from("pp"), "rr"),
      ...flow(3, Buffer.from("qq"), "pp"),
      ...flow(4, Buffer.from("qq"), "qq"),
    ]);
    await until("two are replayed", () => seen.length === 2);
    const { selection } = await harness.stop();
    assert.deepEqual(seen.sort(), ["1234", "7070"]);
    assert.deepEqual([selection.flowsSeen, selection.flowsSelected, selection.flowsExcluded], [4, 2, 2]);
    harness.remove();
    shadow.close();
  });

  it("keeps and drops flows whole by the application they turn out to be", async () => {
    const shadow = await RecordingServer.start((socket) => socket.write("+OK\r\n"));
    const to = { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` };
    const harness = await GatewayHarness.start({ to, include: [{ application: "redis" }] });
    const ping = "*1\r\n$4\r\nPING\r\n";
    const flow = (port: number, text: string): Buffer[] => {
      const script = new TcpScript({ ...client, port }, server, { mss: 3 }).handshake();
      return script.say(true, text).say(false, "+OK\r\n").close().frames;
    };
    await harness.send([...flow(1, ping), ...flow(2, "GET / HTTP/1.1\r\n\r\n")]);
    await until("one is replayed", () => shadow.received.some((bytes) => bytes.toString() === ping));
    const { selection } = await harness.stop();
    assert.deepEqual([selection.flowsSeen, selection.flowsSelected, selection.flowsExcluded], [2, 1, 1]);
    assert.equal(shadow.received.length, 1);
    harness.remove();
    await shadow.stop();
  });

  it("does not take for HTTP/1 what only begins like it, and carries it by turns", async () => {
    const texts = [
      "get key\r\n",
      `get ${"k ".repeat(300)}\r\n`,
      "GET key\r\n",
      "NICK name\r\n",
      "OPTIONS rtsp://x/ RTSP/1.0\r\n\r\n",
      "REGISTER sip:x SIP/2.0\r\n\r\n",
    ];
    const shadow = await RecordingServer.start((socket) => socket.write("END\r\n"));
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:6379": `127.0.0.1:${shadow.port}` } });
    const frames = texts.flatMap((text, port) => {
      assert.notEqual(recognise(Buffer.from(text.slice(0, 256)), Buffer.alloc(0), false), "http1", text);
      const script = new TcpScript({ ...client, port: port + 1 }, server).handshake();
      return script.say(true, text).say(false, "END\r\n").acknowledge(true).close().frames;
    });
    await harness.send(frames);
    await until("all are paired", () => harness.gateway.snapshot().compare.equal === texts.length);
    assert.deepEqual(shadow.received.map(String).sort(), [...texts].sort());
    assert.equal((await harness.stop()).requests.coverage, 1);
    harness.remove();
    await shadow.stop();
  });

  it("takes a request line that comes slowly for HTTP/1 all the same", () => {
    const none = Buffer.alloc(0);
    for (const text of ["GET /a", "GET /a HT", `GET /${"a".repeat(250)}`]) {
      assert.equal(recognise(Buffer.from(text), none, true), "http1", text);
    }
    assert.equal(recognise(Buffer.from("GET /a b"), none, true), undefined);
  });

  it("recognises applications by their first bytes", () => {
    const bytes = (text: string, encoding: BufferEncoding = "latin1"): Buffer => Buffer.from(text, encoding);
    const none = Buffer.alloc(0);
    const clients: [string, Buffer][] = [
      ["http1", bytes("GET / HTTP/1.1\r\n")],
      ["http2", bytes("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")],
      ["http1", bytes("\r\nGET / HTTP/1.1\r\n")],
      ["tls", bytes("160301020001000001fc0303", "hex")],
      ["postgres", bytes("0000002700030000757365720061", "hex")],
      ["postgres", bytes("0000002700030002757365720061", "hex")],
      ["postgres", bytes("0000000804d2162f", "hex")],
      ["redis", bytes("*1\r\n$4\r\nPING\r\n")],
      ["ssh", bytes("SSH-2.0-x\r\n")],
      ["mongodb", bytes("3a0000000100000000000000d40700000000000061", "hex")],
      ["amqp", bytes("AMQP\0\0\x09\x01")],
      ["dns", bytes("001d1234280000010001000000000377777700", "hex")],
      ["dns", bytes("001d1234010000010000000000000377777700", "hex")],
    ];
    for (const [name, first] of clients) {
      assert.equal(recognise(first, none, false), name);
      for (let length = 1; length < first.length; length++) {
        assert.ok(
          ["maybe", name].includes(recognise(first.subarray(0, length), none, false) ?? "none"),
          `${name} ${length}`,
        );
      }
    }
    assert.deepEqual(signatureNames, applicationNames, "selectors name what is recognised");
    assert.equal(recognise(none, bytes("4a0000000a382e302e3336", "hex"), false), "mysql");
    const greeting = bytes("220 mail.example ESMTP\r\n");
    assert.equal(recognise(bytes("EHLO client.example\r\n"), greeting, false), undefined);
    assert.equal(recognise(bytes("USER a"), greeting, false), "maybe");
    assert.equal(recognise(bytes("GET / HTTP/1.1\r\n"), bytes("the middle of a body"), false), "http1");
    assert.equal(recognise(bytes("\x01\x02\x03 nothing known at all, surely not"), none, false), undefined);
  });
});
