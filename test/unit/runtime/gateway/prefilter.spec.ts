import assert from "node:assert/strict";
import { createSocket } from "node:dgram";

import fc from "fast-check";

import { clientHash, flowHash, isSampled } from "../../../../components/runtime/gateway/flows/jhash";
import { BatchSocket } from "../../../../components/runtime/gateway/intake/batchSocket";
import { unwrapVxlan, InnerFrame } from "../../../../components/runtime/gateway/intake/encapsulation";
import { decodeEthernet, Packet } from "../../../../components/runtime/gateway/intake/packet";
import { Prefilter } from "../../../../components/runtime/gateway/prefilter/prefilter";
import { hashLimit, samplingFilter } from "../../../../components/runtime/gateway/prefilter/samplingFilter";
import { steeringProgram } from "../../../../components/runtime/gateway/prefilter/steering";
import { tcpFrame, udpFrame, vxlan, type Peer } from "../../../support/capture";
import { GatewayHarness, until } from "../../../support/captureHarness";

const servers: Peer[] = [
  { address: "10.9.0.1", port: 80 },
  { address: "10.9.0.2", port: 8080 },
  { address: "fd00:9::1", port: 80 },
];

/** Sockets on one address that note which packets reach them, by their first payload byte. */
class Receivers {
  readonly got: Set<number>[] = [];
  readonly sockets: BatchSocket[] = [];
  private ended = 0;

  constructor(count: number) {
    for (let index = 0; index < count; index++) {
      const got = new Set<number>();
      const take = (buffer: Buffer, start: number, end: number): void => {
        if (end - start === 3) this.ended++;
        else got.add(buffer.readUInt16BE(end - 2));
      };
      const socket = BatchSocket.open("127.0.0.1", this.sockets[0]?.port ?? 0, 1 << 22, take, count > 1);
      assert.ok(socket !== undefined, "the foreign function package is not installed");
      this.sockets.push(socket);
      this.got.push(got);
    }
  }

  /** Sends packets, the number of each behind it, and waits until the last has arrived. */
  async send(packets: readonly Buffer[]): Promise<void> {
    const sender = createSocket("udp4");
    const send = (bytes: Buffer): Promise<unknown> =>
      new Promise((done) => sender.send(bytes, this.sockets[0]!.port, "127.0.0.1", done));
    for (const [index, packet] of packets.entries()) {
      await send(Buffer.concat([packet, Buffer.from([index >> 8, index & 255])]));
    }
    const before = this.ended;
    await send(Buffer.from("end"));
    await until("everything has arrived", () => this.ended > before);
    sender.close();
  }

  close(): void {
    for (const socket of this.sockets) socket.close();
  }
}

const addresses = fc.oneof(
  fc.ipV4(),
  fc.nat(0xffff).map((group) => `fd00:8::${group.toString(16)}`),
);
const client = fc.record({ address: addresses, port: fc.integer({ min: 1, max: 65_535 }) });
const shape = fc.constantFrom<"plain" | "vlan" | "options" | "headers">(
  "plain",
  "plain",
  "plain",
  "vlan",
  "options",
  "headers",
);
const packets = fc.record({ client, server: fc.nat(3), back: fc.boolean(), udp: fc.boolean(), shape });

interface Described {
  client: Peer;
  server: number;
  back: boolean;
  udp: boolean;
  shape: "plain" | "vlan" | "options" | "headers";
}

function packetOf({ client: asked, server: index, back, udp, shape: how }: Described): Buffer {
  const six = asked.address.includes(":");
  const unknown = { address: six ? "fd00:9::9" : "10.9.0.9", port: 80 };
  const fitting = servers.filter((server) => server.address.includes(":") === six);
  const server = index === 3 ? unknown : fitting[index % fitting.length]!;
  const [from, to] = back ? [server, asked] : [asked, server];
  if (udp) return vxlan(udpFrame(from, to, Buffer.from("x")));
  const more =
    how === "vlan"
      ? { vlan: 7 }
      : how === "options"
        ? { ipOptions: 4 }
        : how === "headers"
          ? { extensionHeaders: 1 }
          : {};
  return vxlan(tcpFrame({ from, to, sequence: 1, acknowledgement: 1, flags: "A", ...more }));
}

function decoded(bytes: Buffer): Packet {
  const packet = new Packet();
  const frame = new InnerFrame();
  assert.ok(unwrapVxlan(bytes, 0, bytes.length, frame));
  assert.equal(decodeEthernet(bytes, frame.start, bytes.length, packet), "ok");
  return packet;
}

describe("gateway: the kernel's filter before the intake", () => {
  it("keeps exactly the flows that the gateway chooses, and all that it is not sure of", async function () {
    this.timeout(120_000);
    const receivers = new Receivers(1);
    const [socket] = receivers.sockets as [BatchSocket];
    const choices = fc.record({
      percent: fc.constantFrom(0, 0.01, 10, 33.3, 50, 99.99),
      seed: fc.nat(0xffffffff),
      sampleBy: fc.constantFrom<"flow" | "client">("flow", "client"),
    });
    let [kept, left] = [0, 0];
    try {
      const property = fc.asyncProperty(
        fc.array(packets, { minLength: 200, maxLength: 200 }),
        choices,
        async (list, { percent, seed, sampleBy }) => {
          const program = samplingFilter({ servers, limit: hashLimit(percent), seed, sampleBy });
          assert.ok(program !== undefined && socket.filter(program));
          receivers.got[0]!.clear();
          await receivers.send(list.map(packetOf));
          for (const [index, described] of list.entries()) {
            const packet = decoded(packetOf(described));
            const hash = (sampleBy === "client" ? clientHash : flowHash)(packet, described.back, seed);
            const sure = described.server !== 3 && (described.udp || described.shape === "plain" || isPlain(described));
            const wanted = !sure || isSampled(hash, percent);
            assert.equal(receivers.got[0]!.has(index), wanted, JSON.stringify([described, percent, seed, sampleBy]));
            if (wanted) kept++;
            else left++;
          }
        },
      );
      await fc.assert(property, { numRuns: 25 });
      assert.ok(kept > 500 && left > 500);
      assert.equal(socket.drops(), left);
    } finally {
      receivers.close();
    }
  });

  it("lets pass what is cut short or no VXLAN at all", async () => {
    const receivers = new Receivers(1);
    const program = samplingFilter({ servers, limit: 0, seed: 1, sampleBy: "flow" });
    assert.ok(receivers.sockets[0]!.filter(program));
    const whole = packetOf({
      client: { address: "10.8.0.1", port: 9 },
      server: 0,
      back: false,
      udp: false,
      shape: "plain",
    });
    const list = [Buffer.alloc(2), whole.subarray(0, 30), whole.subarray(0, 43), Buffer.alloc(100), whole];
    await receivers.send(list);
    receivers.close();
    assert.deepEqual([...receivers.got[0]!], [0, 1, 2, 3]);
  });

  it("is never narrower than any earlier choice, because open flows keep theirs", () => {
    const given: (Buffer | undefined)[] = [];
    const prefilter = new Prefilter({ filter: (program) => given.push(program) > 0 });
    const choice = { servers, seed: 1, sampleBy: "flow" as const };
    const program = (percent: number): Buffer | undefined => samplingFilter({ ...choice, limit: hashLimit(percent) });
    prefilter.apply(10, choice);
    prefilter.apply(5, choice);
    prefilter.apply(20, choice);
    assert.ok(prefilter.active);
    prefilter.apply(20, { ...choice, seed: 2 });
    assert.ok(!prefilter.active);
    assert.deepEqual(given, [program(10), program(10), program(20), undefined]);
  });

  it("counts what it left out, and not as a loss", async () => {
    const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": "127.0.0.1:1" }, percent: 10, seed: 3 });
    const flows = Array.from({ length: 300 }, (_, index) => ({ address: "10.8.0.1", port: 1_000 + index }));
    const server = { address: "10.9.0.1", port: 80 };
    const frames = flows.map((from) => tcpFrame({ from, to: server, sequence: 0, acknowledgement: 0, flags: "S" }));
    await harness.send(frames);
    const stats = await harness.stop();
    harness.remove();
    const chosen = frames.filter((frame) => isSampled(flowHash(decoded(vxlan(frame)), false, 3), 10)).length;
    assert.equal(stats.selection.flowsSelected, chosen);
    assert.equal(stats.intake.packets, chosen);
    assert.equal(stats.intake.prefiltered, 300 - chosen);
    assert.equal(stats.intake.kernelDrops, 0);
  });
});

/** IPv4 has no extension headers and IPv6 no options: there such a packet is a plain one. */
function isPlain({ client: { address }, shape: how }: Described): boolean {
  return how === (address.includes(":") ? "options" : "headers");
}

describe("gateway: sockets that share an intake", () => {
  it("get both directions of a flow, whatever its packets look like", async function () {
    this.timeout(60_000);
    const count = 3;
    const receivers = new Receivers(count);
    assert.ok(receivers.sockets[0]!.steer(steeringProgram(count)));
    const shapes = ["plain", "options", "headers"] as const;
    const list: Described[] = fc
      .sample(packets, 300)
      .flatMap((packet) =>
        shapes.flatMap((how) => [true, false].map((back) => ({ ...packet, udp: false, shape: how, back }))),
      );
    await receivers.send(list.map(packetOf));
    await until("all have arrived", () => receivers.got.reduce((sum, got) => sum + got.size, 0) === list.length);
    receivers.close();
    for (let at = 0; at < list.length; at += 6) {
      const takers = receivers.got.filter((got) => [0, 1, 2, 3, 4, 5].some((offset) => got.has(at + offset)));
      assert.equal(takers.length, 1, JSON.stringify(list[at]));
    }
    assert.ok(receivers.got.every((got) => got.size > list.length / count / 4));
  });
});
