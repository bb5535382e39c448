import assert from "node:assert/strict";
import { createServer, type Server, type Socket } from "node:net";

import { kernel } from "../../../../components/runtime/gateway/kernel";
import { KernelWires } from "../../../../components/runtime/gateway/replay/kernelWires";
import { NodeWire } from "../../../../components/runtime/gateway/replay/nodeWire";
import { foreignSource, type Wire, type WireEvents } from "../../../../components/runtime/gateway/replay/wire";
import { until } from "../../../support/captureHarness";

type Connect = (port: number, events: WireEvents, from?: { address: string; port?: number }) => Wire;

const kinds: Record<string, Connect> = {
  "of Node": (port, events, from) => new NodeWire({ address: "127.0.0.1", port }, from?.address, from?.port, events),
  ...(kernel() === null
    ? {}
    : {
        "of the kernel": (port: number, events: WireEvents, from?: { address: string; port?: number }): Wire => {
          const source = from === undefined ? undefined : { address: from.address, port: from.port ?? 0 };
          return new KernelWires(kernel()!).connect({ address: "127.0.0.1", port }, source, from?.port, events);
        },
      }),
};

/** What a connection has told. */
class Told implements WireEvents {
  connections = 0;
  text = "";
  times: number[] = [];
  ends: (string | undefined)[] = [];

  connected(): void {
    this.connections++;
  }

  data(buffer: Buffer, length: number, time: number): void {
    this.text += buffer.toString("latin1", 0, length);
    this.times.push(time);
  }

  closed(error: string | undefined): void {
    this.ends.push(error);
  }
}

for (const [kind, connect] of Object.entries(kinds)) {
  describe(`gateway: a connection to the shadow ${kind}`, () => {
    let server: Server;
    let port: number;
    let peer: Socket | undefined;
    let heard: string;
    let endings: string[];
    let told: Told;

    beforeEach(async () => {
      heard = "";
      endings = [];
      peer = undefined;
      told = new Told();
      server = createServer({ allowHalfOpen: true }, (socket) => {
        peer = socket;
        socket.on("data", (bytes) => (heard += bytes.toString("latin1")));
        socket.on("end", () => endings.push("end"));
        socket.on("error", (error: NodeJS.ErrnoException) => endings.push(error.code ?? "error"));
      });
      await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
      ({ port } = server.address() as { port: number });
    });

    afterEach(async () => {
      peer?.destroy();
      await new Promise((done) => server.close(done));
    });

    const stands = async (from?: { address: string; port?: number }): Promise<Wire> => {
      const wire = connect(port, told, from);
      await until("both ends know of it", () => told.connections === 1 && peer !== undefined);
      return wire;
    };

    it("carries bytes both ways, in order, and keeps none of its owner's memory", async () => {
      const wire = await stands();
      const parts = [Buffer.from("one "), Buffer.from("two ")];
      const chunk = Buffer.from("<<three>>");
      wire.write(parts);
      wire.writeBorrowed(chunk, 2, 7);
      for (const bytes of [...parts, chunk]) bytes.fill("#");
      await until("all of it is there", () => heard === "one two three");
      const before = Date.now();
      peer!.write("four");
      await until("the answer is there", () => told.text === "four");
      assert.ok(
        told.times.every((time) => time >= before - 2 && time <= Date.now() + 2),
        told.times.join(),
      );
      assert.equal(wire.queuedBytes, 0);
      wire.destroy(false);
    });

    if (kind === "of the kernel") {
      it("knows when bytes came, also when nobody looked for a while", async () => {
        const wire = await stands();
        const before = Date.now();
        peer!.write("early");
        const written = Date.now();
        while (Date.now() < written + 1_100);
        await until("they are told", () => told.text === "early");
        const [time] = told.times as [number];
        assert.ok(time >= before - 2 && time < written + 1_000, `${time - before} ms later`);
        wire.destroy(false);
      });
    }

    it("takes more than the peer reads at once, says how much waits, and delivers all of it", async () => {
      const wire = await stands();
      peer!.pause();
      const parts = Array.from({ length: 300 }, (_, n) => Buffer.alloc(65_536, 97 + (n % 26)));
      for (const part of parts.slice(0, 299)) wire.write([part]);
      wire.writeBorrowed(parts[299]!, 0, 65_536);
      assert.ok(wire.queuedBytes > 1_000_000, `${wire.queuedBytes}`);
      peer!.resume();
      wire.end();
      await until("all of it is there", () => endings.length === 1);
      assert.equal(heard, parts.join(""));
      assert.deepEqual([endings, wire.queuedBytes], [["end"], 0]);
      wire.destroy(false);
    });

    it("reads on after it has ended its own side, until the peer ends too", async () => {
      const wire = await stands();
      wire.write([Buffer.from("last")]);
      wire.end();
      await until("the end is there", () => endings.includes("end"));
      peer!.write("later");
      await until("what came later is there", () => told.text === "later");
      peer!.end();
      await until("the peer's end is told", () => told.ends.length > 0);
      assert.deepEqual([heard, told.ends[0], endings], ["last", undefined, ["end"]]);
      wire.destroy(false);
    });

    it("is given up in order or by a reset, and tells nothing after that", async () => {
      (await stands()).destroy(false);
      await until("the end is there", () => endings.length === 1);
      assert.deepEqual(endings, ["end"]);
      peer!.end();
      peer = undefined;
      told = new Told();
      const wire = await stands();
      wire.destroy(true);
      await until("the reset is there", () => endings.length === 2);
      assert.deepEqual(endings, ["end", "ECONNRESET"]);
      assert.deepEqual([told.text, told.ends], ["", []]);
    });

    it("tells of the peer's reset, and of a peer that refuses", async () => {
      const wire = await stands();
      peer!.resetAndDestroy();
      await until("the reset is told", () => told.ends.length > 0);
      wire.destroy(false);
      const refused = new Told();
      const other = createServer();
      await new Promise<void>((done) => other.listen(0, "127.0.0.1", done));
      const closed = (other.address() as { port: number }).port;
      await new Promise((done) => other.close(done));
      const second = connect(closed, refused);
      await until("the refusal is told", () => refused.ends.length > 0);
      second.destroy(false);
      assert.deepEqual([told.ends[0], refused.ends[0], refused.connections], ["ECONNRESET", "ECONNREFUSED", 0]);
    });

    it("comes from the address and the port that it is given, and says what is wrong with them", async () => {
      const wire = await stands({ address: "127.0.0.7" });
      assert.equal(peer!.remoteAddress, "127.0.0.7");
      const taken = peer!.remotePort!;
      const ends = async (from: { address: string; port?: number }): Promise<string | undefined> => {
        const own = new Told();
        const second = connect(port, own, from);
        await until("it has failed", () => own.ends.length > 0);
        second.destroy(false);
        return own.ends[0];
      };
      assert.equal(await ends({ address: "192.0.2.1" }), foreignSource);
      assert.match(String(await ends({ address: "127.0.0.7", port: taken })), /^EADDR(INUSE|NOTAVAIL)$/);
      wire.destroy(true);
      told = new Told();
      peer = undefined;
      (await stands({ address: "127.0.0.7", port: taken })).destroy(false);
      assert.equal(peer!.remotePort, taken);
    });
  });
}
