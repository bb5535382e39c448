import assert from "node:assert/strict";
import { createSocket, type Socket } from "node:dgram";

import fc from "fast-check";

import { BodyMemory } from "../../../../components/runtime/gateway/compare/body";
import { ExchangeLog } from "../../../../components/runtime/gateway/compare/exchangeLog";
import { Selection } from "../../../../components/runtime/gateway/flows/selectors";
import { UdpFlow } from "../../../../components/runtime/gateway/flows/udpFlow";
import { Packet } from "../../../../components/runtime/gateway/intake/packet";
import { type GatewayStats, newStats } from "../../../../components/runtime/gateway/stats";
import { randomFrom } from "../../../support/damage";

interface Traffic {
  /** So many requests are on their way before an answer comes. */
  window: number;
  requests: number;
  /** Shares that the mirror loses, and that the shadow leaves out. */
  lostRequests?: number;
  lostAnswers?: number;
  leftOut?: number;
  /** The client pauses as often as that. */
  pauses?: number;
  /** The shadow answers another thing than live from this request on. */
  differentFrom?: number;
  seed?: number;
}

/** A flow of numbered datagrams, whose shadow answers as live does unless it is told otherwise. */
class NumberedFlow {
  private readonly stats = newStats(0);
  private readonly packet = new Packet();
  private readonly flow: UdpFlow;
  private readonly random: () => number;
  private time = 1_000_000;
  private sent = 0;
  private received = 0;

  constructor(
    private readonly shadow: Socket,
    private readonly traffic: Traffic,
  ) {
    this.random = randomFrom(traffic.seed ?? 1);
    const nothing = (): void => undefined;
    const shared = {
      stats: this.stats,
      log: new ExchangeLog(this.stats, () => 10_000, nothing, nothing, new BodyMemory(2 ** 26)),
      limits: {
        flows: 1,
        descriptors: Infinity,
        bytesPerFlow: 2 ** 24,
        totalBytes: 2 ** 28,
        maximumLagMilliseconds: 60_000,
        holeTimeoutMilliseconds: 2_000,
        idleTimeoutMilliseconds: 60_000,
        overtakingMilliseconds: 10,
        openingMilliseconds: 200,
      },
      memory: { used: 0 },
      selection: new Selection([], []),
      recorder: undefined,
      hooks: undefined,
    };
    const target = { address: "127.0.0.1", port: shadow.address().port };
    this.flow = new UdpFlow(shared, "udp", target, undefined, false);
  }

  async run(): Promise<GatewayStats["compare"]> {
    const { window, requests, pauses = 0 } = this.traffic;
    const answer = this.answer.bind(this);
    this.shadow.on("message", answer);
    const owed: number[] = [];
    for (let n = 0; n < requests; n++) {
      if (this.happens(pauses)) {
        for (const earlier of owed.splice(0)) this.reply(earlier);
        this.time += 10_000;
      }
      await this.ask(n);
      owed.push(n);
      if (owed.length === window) this.reply(owed.shift()!);
    }
    for (const last of owed) this.reply(last);
    this.shadow.off("message", answer);
    this.flow.shed("end");
    return this.stats.compare;
  }

  private happens(share: number): boolean {
    return this.random() < share;
  }

  private async ask(n: number): Promise<void> {
    if (this.happens(this.traffic.lostRequests ?? 0)) return;
    this.sent++;
    this.take(`${n}`, true);
    while (this.received < this.sent) await new Promise((done) => setImmediate(done));
  }

  private reply(n: number): void {
    if (!this.happens(this.traffic.lostAnswers ?? 0)) this.take(`re ${n}`, false);
  }

  private take(text: string, fromClient: boolean): void {
    this.time += 1;
    this.packet.time = this.time;
    this.packet.buffer = Buffer.from(text);
    this.packet.payloadStart = 0;
    this.packet.payloadEnd = this.packet.payloadLength = text.length;
    this.flow.handle(this.packet, fromClient, false);
  }

  private answer(bytes: Buffer, from: { port: number }): void {
    const { leftOut = 0, differentFrom = Infinity } = this.traffic;
    const other = Number(bytes) >= differentFrom ? "!" : "";
    const told = (): number => this.received++;
    if (this.happens(leftOut)) told();
    else this.shadow.send(`re ${bytes.toString()}${other}`, from.port, () => setImmediate(() => setImmediate(told)));
  }
}

describe("gateway: the order of datagrams and their answers", () => {
  let shadow: Socket;

  beforeEach(async () => {
    shadow = createSocket("udp4");
    await new Promise<void>((done) => shadow.bind(0, "127.0.0.1", done));
  });

  afterEach(() => shadow.close());

  const compared = (traffic: Traffic): Promise<GatewayStats["compare"]> => new NumberedFlow(shadow, traffic).run();

  const share = fc.constantFrom(0, 0.05);
  const seed = fc.integer({ min: 0, max: 2 ** 31 - 1 });
  const requests = 200;

  it("is certain where a client waits for every answer and nothing is lost", async () => {
    const { equal, different, overlapping } = await compared({ window: 1, requests, differentFrom: 150 });
    assert.deepEqual([equal, different, overlapping], [150, 50, 0]);
  });

  it("is not known where a client does not wait, so that nothing is compared", async () => {
    const { equal, different, overlapping } = await compared({ window: 3, requests });
    assert.deepEqual([equal, different, overlapping], [0, 0, requests]);
  });

  it("makes no false difference where one side of a conversation is lost, and most of it is compared", async () => {
    const loss = fc.constantFrom({ lostRequests: 0.05 }, { lostAnswers: 0.05 }, { leftOut: 0.05 });
    await fc.assert(
      fc.asyncProperty(loss, share, seed, async (lost, pauses, random) => {
        const { equal, different } = await compared({ window: 1, requests, pauses, seed: random, ...lost });
        assert.equal(different, 0);
        if (!("leftOut" in lost)) assert.ok(equal > requests / 3, `${equal}`);
      }),
      { numRuns: 40 },
    );
  });

  it("makes hardly any false difference whatever is lost, and however many requests are on their way", async () => {
    const traffic = fc.record({
      window: fc.constantFrom(1, 2, 3, 8),
      lostRequests: share,
      lostAnswers: share,
      leftOut: share,
      seed,
    });
    await fc.assert(
      fc.asyncProperty(traffic, async (lost) => {
        const { different } = await compared({ requests, ...lost });
        assert.ok(different <= 20, `${different}`);
      }),
      { numRuns: 40 },
    );
  });

  it("is certain again after a silence, also where the shadow says nothing that live says", async () => {
    const lost = { window: 1, requests, lostAnswers: 0.05, differentFrom: 0 };
    const lively = await compared(lost);
    const slow = await compared({ ...lost, pauses: 0.5 });
    assert.ok(lively.different < 100 && slow.different > 150, `${lively.different} ${slow.different}`);
    assert.deepEqual([lively.equal, slow.equal], [0, 0]);
  });
});
