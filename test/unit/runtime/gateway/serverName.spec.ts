import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { createServer, type Socket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import fc from "fast-check";

import { serverNameTest } from "../../../../components/internal/serverNames";
import { checkConfig, type GatewayConfig } from "../../../../components/runtime/gateway/config";
import { HelloReader } from "../../../../components/runtime/gateway/flows/clientHello";
import { readCapture } from "../../../../components/runtime/gateway/intake/captureFile";
import { inRecords, realHello, withExtension } from "../../../support/clientHello";
import { TcpScript, udpFrame } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const name = "www.shop.example";
const server = { address: "10.9.0.1", port: 443 };

/** What a reader makes of bytes that come in pieces that end at `cuts`. */
function nameOf(bytes: Buffer, cuts: readonly number[] = []): string | undefined | null {
  const reader = new HelloReader();
  let from = 0;
  for (const to of [...cuts, bytes.length].sort((a, b) => a - b)) {
    reader.push(bytes, from, to);
    from = to;
  }
  return reader.name;
}

/** The first bytes of openssl's own client, whose records hold `fragment` bytes at most. */
async function opensslHello(fragment: number): Promise<Buffer> {
  const listener = createServer().listen(0, "127.0.0.1");
  await once(listener, "listening");
  const { port } = listener.address() as { port: number };
  const argv = ["s_client", "-connect", `127.0.0.1:${port}`, "-servername", name, "-max_send_frag", `${fragment}`];
  const client = spawn("openssl", argv, { stdio: "ignore" });
  const [socket] = (await once(listener, "connection")) as [Socket];
  const [bytes] = (await once(socket, "data")) as [Buffer];
  const ended = once(client, "exit");
  client.kill("SIGKILL");
  await ended;
  socket.destroy();
  listener.close();
  return bytes;
}

describe("gateway: the server's name in a TLS hello", function () {
  this.timeout(60_000);
  let hello: Buffer;
  let nameless: Buffer;

  before(async () => {
    hello = await realHello({ servername: name });
    nameless = await realHello({});
  });

  it("is found in real hellos of several kinds", async () => {
    const long = {
      servername: name.toUpperCase(),
      ecdhCurve: "X25519MLKEM768:X25519",
      ALPNProtocols: ["h2", "http/1.1"],
    };
    const quantum = await realHello(long);
    assert.ok(quantum.length > 1_460, `${quantum.length} bytes are more than a segment`);
    const table: [string, Buffer, string | undefined][] = [
      ["TLS 1.2 and 1.3", hello, name],
      ["TLS 1.2 alone", await realHello({ servername: name, maxVersion: "TLSv1.2" }), name],
      ["post-quantum keys", quantum, name],
      ["openssl", await opensslHello(16_384), name],
      ["openssl in small records", await opensslHello(512), name],
      ["no name", nameless, undefined],
      ["no TLS", Buffer.from("GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n"), undefined],
      ["another record", Buffer.concat([Buffer.from([0x15]), hello.subarray(1)]), undefined],
      [
        "another handshake message",
        Buffer.concat([hello.subarray(0, 5), Buffer.from([2]), hello.subarray(6)]),
        undefined,
      ],
    ];
    for (const [what, bytes, wanted] of table) assert.equal(nameOf(bytes), wanted, what);
  });

  it("is the name in the open where the real one is encrypted, and where that is only pretended", () => {
    const encrypted = withExtension(hello, 0xfe0d, Buffer.alloc(180, 7), true);
    assert.equal(nameOf(encrypted), name);
    assert.equal(nameOf(withExtension(nameless, 0xfe0d, Buffer.alloc(180, 7), false)), undefined);
  });

  it("is the same however segments and records cut the hello, and is open until it is there", () => {
    const padded = withExtension(hello, 21, Buffer.alloc(9_000), true);
    fc.assert(
      fc.property(
        fc.constantFrom(hello, padded, nameless),
        fc.integer({ min: 1, max: 700 }),
        fc.array(fc.nat(12_000), { maxLength: 40 }),
        (bytes, record, places) => {
          const sent = inRecords(bytes, record);
          const cuts = places.filter((at) => at < sent.length);
          assert.equal(nameOf(sent, cuts), bytes === nameless ? undefined : name);
        },
      ),
    );
    for (let length = 0; length < hello.indexOf(name) + name.length; length++) {
      assert.equal(nameOf(hello.subarray(0, length)), null, `${length} bytes`);
    }
    assert.equal(nameOf(nameless.subarray(0, 100)), null);
    for (let length = 100; length < nameless.length; length++) {
      assert.ok((nameOf(nameless.subarray(0, length)) ?? undefined) === undefined, `${length} bytes`);
    }
  });

  it("is never guessed from damaged bytes, and no hello is held without end", () => {
    fc.assert(
      fc.property(fc.nat(hello.length - 1), fc.integer({ min: 0, max: 255 }), (at, value) => {
        const damaged = Buffer.from(hello);
        damaged[at] = value;
        const reader = new HelloReader();
        reader.push(damaged, 0, damaged.length);
        const found = reader.name;
        const inName = at >= hello.indexOf(name) && at < hello.indexOf(name) + name.length;
        assert.ok(inName || found === null || found === undefined || name.startsWith(found), String(found));
      }),
    );
    const endless = new HelloReader();
    const huge = Buffer.concat([Buffer.from([0x16, 3, 1, 0x40, 0, 1, 0, 0x7f, 0xff]), Buffer.alloc(16_380)]);
    endless.push(huge, 0, huge.length);
    for (let index = 0; index < 1_000; index++) endless.push(huge, 0, 5 + 16_384 > huge.length ? huge.length : 16_389);
    assert.ok(endless.heldBytes <= 65_536, `${endless.heldBytes} bytes`);
  });

  it("matches exactly, or everything below a wildcard's name", () => {
    const table: [string, string, boolean][] = [
      ["www.shop.example", "www.shop.example", true],
      ["WWW.Shop.example", "www.shop.example", true],
      ["shop.example", "www.shop.example", false],
      ["*.shop.example", "www.shop.example", true],
      ["*.shop.example", "a.b.shop.example", true],
      ["*.shop.example", "shop.example", false],
      ["*.shop.example", "workshop.example", false],
    ];
    for (const [selector, asked, wanted] of table) {
      assert.equal(serverNameTest(selector)(asked), wanted, `${selector} and ${asked}`);
    }
  });

  it("is refused where it is no name, or could not match", () => {
    const base = { intake: "vxlan:127.0.0.1:1", stats: "s", samples: "t" };
    const refused: [object, RegExp][] = [
      [
        { serverName: "https://x.example" },
        /include\[0\]\.serverName: "https:\/\/x.example" is not a DNS name such as/,
      ],
      [{ serverName: "*" }, /include\[0\]\.serverName: "\*" is not/],
      [{ serverName: "a.*.example" }, /serverName: "a\.\*\.example" is not/],
      [{ serverName: "10.0.0.1" }, /serverName: "10\.0\.0\.1" is not/],
      [{ serverName: "x.example." }, /serverName: "x\.example\." is not/],
      [{ serverName: "x.example", application: "http1" }, /application: "http1" has no server name/],
      [
        { serverName: "x.example", protocol: "udp" },
        /protocol: serverName is read from TLS over TCP; QUIC is not read/,
      ],
      [{ serverNam: "x.example" }, /include\[0\]\.serverNam: is not known; did you mean "serverName"/],
    ];
    for (const [selector, message] of refused) {
      assert.throws(() => checkConfig({ ...base, include: [selector] }), message);
    }
    checkConfig({ ...base, exclude: [{ serverName: "*.x.example", application: "tls", protocol: "tcp" }] });
  });
});

describe("gateway: flows chosen by the server's name", function () {
  this.timeout(60_000);
  let shadow: RecordingServer;
  let harness: GatewayHarness;

  const start = async (config: Partial<GatewayConfig>): Promise<void> => {
    shadow = await RecordingServer.start((socket, all) => {
      if (all.length > 400) socket.write("answer");
    });
    harness = await GatewayHarness.start({ to: { "10.9.0.1:443": `127.0.0.1:${shadow.port}` }, ...config });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  /** A connection in whose first message a real client asks for `servername`, in records and segments of some size. */
  const flow = async (
    port: number,
    servername: string | undefined,
    record = 16_384,
    mss = 1_460,
  ): Promise<[Buffer[], Buffer]> => {
    const sent = inRecords(await realHello(servername === undefined ? {} : { servername }), record);
    const script = new TcpScript({ address: "10.8.0.1", port }, server, { mss }).handshake().say(true, sent);
    return [script.acknowledge(false).say(false, "answer").close().frames, sent];
  };

  it("keeps and drops each as a whole, also what came before the name", async () => {
    await start({
      include: [{ serverName: "*.shop.example" }, { serverName: "api.example", destinationPorts: ["443"] }],
      exclude: [{ serverName: "pay.shop.example" }],
    });
    const wanted: Buffer[] = [];
    const frames: Buffer[] = [];
    const asked = [
      "www.shop.example",
      "api.example",
      "a.b.shop.example",
      "pay.shop.example",
      "shop.example",
      undefined,
    ];
    for (const [index, servername] of asked.entries()) {
      const [packets, sent] = await flow(
        1_000 + index,
        servername,
        [16_384, 100, 700][index % 3],
        [1_460, 90, 31][index % 3],
      );
      frames.push(...packets);
      if (index < 3) wanted.push(sent);
    }
    const plain = new TcpScript({ address: "10.8.0.1", port: 2_000 }, server).handshake();
    frames.push(...plain.say(true, "GET / HTTP/1.1\r\nHost: www.shop.example\r\n\r\n").say(false, "no").close().frames);
    frames.push(udpFrame({ address: "10.8.0.1", port: 2_001 }, server, wanted[0]!));
    await harness.send(frames);
    await until("three are answered", () => harness.gateway.snapshot().requests.answered === 3);
    const { selection, flows, requests } = await harness.stop();
    const sorted = (list: Buffer[]): string[] => list.map((bytes) => bytes.toString("hex")).sort();
    assert.deepEqual(sorted(shadow.received), sorted(wanted));
    assert.deepEqual([selection.flowsSeen, selection.flowsSelected, selection.flowsExcluded], [8, 3, 5]);
    assert.deepEqual([requests.onWire, requests.replayed, flows.heldBytes], [3, 3, 0]);
  });

  it("is patient with a hello whose end is late, and does not hold it for ever", async () => {
    await start({ exclude: [{ serverName: "pay.shop.example" }], limits: { maximumLagMilliseconds: 1_500 } });
    const [late] = await flow(1_000, "pay.shop.example", 100, 100);
    await harness.send(late.slice(0, 4));
    await new Promise((resolve) => setTimeout(resolve, 600));
    assert.ok(harness.gateway.snapshot().flows.heldBytes > 0, "what is held counts");
    await harness.send(late.slice(4));
    assert.equal(harness.gateway.snapshot().selection.flowsExcluded, 1);
    const [cut] = await flow(1_001, "pay.shop.example", 100, 100);
    await harness.send(cut.slice(0, 4));
    await until("the rest is not waited for any more", () => harness.gateway.snapshot().selection.flowsSelected === 1);
  });

  it("records the packets of carried flows alone, from their first on", async () => {
    const carried = await flow(1_000, "www.shop.example", 16_384, 200);
    const dropped = await flow(1_001, "other.example", 16_384, 200);
    const folder = mkdtempSync(join(tmpdir(), "gateway-names-"));
    const file = join(folder, "carried.pcapng");
    await start({ include: [{ serverName: "www.shop.example" }], record: file });
    await harness.send([...carried[0], ...dropped[0]]);
    await until("it is answered", () => harness.gateway.snapshot().requests.answered === 1);
    const { selection } = await harness.stop();
    const recorded: string[] = [];
    for await (const { data } of readCapture(file)) recorded.push(data.toString("hex"));
    assert.deepEqual(
      recorded,
      carried[0].map((frame) => frame.toString("hex")),
    );
    assert.equal(selection.packetsSelected, carried[0].length);
    rmSync(folder, { recursive: true });
  });
});
