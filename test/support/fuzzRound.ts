import assert from "node:assert/strict";

import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { TcpScript } from "./capture";
import { randomFrom } from "./damage";
import { fuzzAnswers, fuzzFlow, fuzzPorts, type FuzzFlow, type FuzzProtocol } from "./fuzzFlows";
import { type Arrived, FuzzShadow } from "./fuzzShadow";
import type { Sent } from "./fuzzIntakes";
import { describeRequest, Http2Recorder, recordHttp2, type Asked } from "./http2Sessions";
import { asEnemy, asNetwork, messagesIn, regrouped } from "./mutations";
import type { Spoken } from "./recordedSession";

/** What happens to the flows of a round: nothing but repetition, what a network may do, or what an enemy may. */
type Harm = "repeated" | "network" | "enemy";

/** HTTP/2 as real software speaks it. */
export type Http2Sessions = readonly { spoken: Spoken[]; truth: Buffer[] }[];

/** Flows that are sent together. */
export interface Round {
  seed: number;
  harm: Harm;
  flows: FuzzFlow[];
  packets: Sent[];
  /** What the client of the flow that nobody touches says. */
  untouched: Buffer;
  /** Kinds of change that were made. */
  kinds: string[];
}

/** Records HTTP/2 sessions of a real client and a real server. */
export async function recordSessions(): Promise<Http2Sessions> {
  const live = await Http2Recorder.start((stream) => {
    stream.respond({ ":status": 200, "x-a": "b" });
    stream.end("ok");
  });
  const sessions: { spoken: Spoken[]; truth: Buffer[] }[] = [];
  for (let session = 0; session < 4; session++) {
    const requests: Asked[] = Array.from({ length: 4 }, (_, index) => ({
      method: index % 2 === 0 ? "GET" : "POST",
      path: `/${session}/${index}`,
      body: Buffer.alloc(index % 2 === 0 ? 0 : 700 * index * index, index),
      headers: { "x-agent": "the same each time" },
    }));
    const truth = requests.map(({ method, path, body }) => Buffer.from(describeRequest(method, path, body)));
    sessions.push({ spoken: await recordHttp2(live.port, requests, session % 2 === 0), truth });
  }
  await live.stop();
  return sessions;
}

/** A flow to the server that stands apart, from a client that stands apart. */
export function untouchedFlow(seed: number, port: number): { frames: Buffer[]; asks: Buffer } {
  const asks = [1, 2, 3].map(
    (n) => `POST /untouched-${seed}-${port}-${n} HTTP/1.1\r\nContent-Length: 5\r\n\r\nbody${n}`,
  );
  const script = new TcpScript({ address: "172.31.255.77", port }, FuzzShadow.untouchedServer).handshake();
  for (const text of asks) script.say(true, text).say(false, fuzzAnswers.http1.answer).acknowledge(true);
  return { frames: script.close().frames, asks: Buffer.from(asks.join("")) };
}

/** The packets of all flows, each flow in its own order. */
function interleave(flows: readonly Sent[][], random: () => number): Sent[] {
  const left = flows.filter((packets) => packets.length > 0).map((packets) => ({ packets, at: 0 }));
  const result: Sent[] = [];
  while (left.length > 0) {
    const which = Math.floor(random() * left.length);
    const flow = left[which]!;
    result.push(flow.packets[flow.at++]!);
    if (flow.at === flow.packets.length) left.splice(which, 1);
  }
  return result;
}

/** The round of a seed. */
export function roundOf(seed: number, http2: Http2Sessions): Round {
  const random = randomFrom(seed);
  const draw = random();
  const harm: Harm = draw < 0.1 ? "repeated" : draw < 0.45 ? "network" : "enemy";
  const protocols = Object.keys(fuzzPorts) as FuzzProtocol[];
  const kinds: string[] = [];
  const flows = Array.from({ length: 2 + Math.floor(random() ** 2 * 50) }, (_, index) => {
    const protocol = protocols[Math.floor(random() * protocols.length)]!;
    return fuzzFlow(protocol, `F${seed}n${index}`, 20_000 + index, random, http2);
  });
  const sent = flows.map((flow) => {
    if (harm === "enemy") {
      const changed = asEnemy(flow.frames, random);
      kinds.push(`${flow.protocol}: ${changed.kinds.join(", ")}`);
      return changed.frames;
    }
    return harm === "network" ? asNetwork(flow.frames, random) : repeated(flow, random);
  });
  const apart = untouchedFlow(seed, 50_000);
  const all = [
    ...sent.map((frames) => frames.map((frame) => ({ frame, untouched: false }))),
    apart.frames.map((frame) => ({ frame, untouched: true })),
  ];
  return { seed, harm, flows, packets: interleave(all, random), untouched: apart.asks, kinds };
}

function repeated({ protocol, frames }: FuzzFlow, random: () => number): Buffer[] {
  if (protocol === "udp") return frames;
  return regrouped(frames, random() * 0.5, random).flatMap((frame) => (random() < 0.2 ? [frame, frame] : [frame]));
}

/** Checks what the shadow got in a round, and what the gateway counted, against what is true. */
export function checkRound(
  { harm, flows, untouched }: Round,
  got: ReturnType<FuzzShadow["take"]>,
  before: GatewayStats["requests"],
  after: GatewayStats["requests"],
): void {
  assert.equal(got.untouched.toString("latin1"), untouched.toString("latin1"), "the flow that nobody touched");
  for (const [name, count] of countersOf(after)) assert.ok(Number.isSafeInteger(count) && count >= 0, name);
  const { onWire, replayed, lostByMirror, answered } = after;
  assert.equal(onWire, replayed + lostByMirror + sum(after.unusable) + sum(after.shed));
  assert.equal(replayed, answered + sum(after.failed));
  if (harm === "enemy") return;
  const found = messagesOf(flows, got.arrived);
  const asked = new Map<string, number>();
  for (const { protocol, truth } of flows) {
    if (protocol === "http2") for (const text of truth.map(String)) asked.set(text, (asked.get(text) ?? 0) + 1);
  }
  for (const text of got.asked) {
    const left = asked.get(text) ?? 0;
    assert.ok(left > 0, `HTTP/2: ${text} was never asked, or not so often`);
    asked.set(text, left - 1);
  }
  if (harm === "network") return;
  // Nothing is missing but what the shadow did not answer in time, which on a busy machine may not have been sent.
  const unsent = sum(after.failed) - sum(before.failed);
  const missing = flows.map(({ protocol, truth }, index) =>
    protocol === "http2" || protocol === "udp" ? 0 : truth.length - found[index]!.size,
  );
  const notAsked = [...asked.values()].reduce((a, b) => a + b, 0);
  assert.ok(missing.reduce((a, b) => a + b, notAsked) <= unsent, `${missing.join(" ")}, HTTP/2 ${notAsked}`);
  const requestsOf = flows.reduce((total, { truth }) => total + truth.length, 3);
  // A pause of the machine inside a turn may end it, and the rest of it then counts as another.
  assert.ok(onWire - before.onWire >= requestsOf, `${onWire - before.onWire} counted, there were ${requestsOf}`);
}

/** Which messages of each flow arrived; fails when anything else did, or anything twice. */
function messagesOf(flows: readonly FuzzFlow[], arrived: readonly Arrived[]): Set<number>[] {
  const found = flows.map(() => new Set<number>());
  for (const { protocol, bytes } of arrived) {
    if (bytes.length === 0) continue;
    const matching = flows.flatMap((flow, index) => {
      const whole = flow.protocol === "udp" ? flow.truth.filter((message) => message.equals(bytes)) : flow.truth;
      const messages = flow.protocol === protocol ? messagesIn(bytes, whole) : undefined;
      return messages === undefined ? [] : [{ index, messages }];
    });
    const [first] = matching;
    assert.ok(first !== undefined, `${protocol}: ${bytes.toString("latin1").slice(0, 300)} was never said`);
    if (protocol === "udp" || matching.length > 1) continue;
    for (const message of first.messages) {
      assert.ok(!found[first.index]!.has(message), `${protocol}: message ${message} arrived twice`);
      found[first.index]!.add(message);
    }
  }
  return found;
}

function countersOf({ unusable, shed, failed, ...rest }: GatewayStats["requests"]): [string, number][] {
  const { coverage, coverageAtLeast, ...counts } = rest;
  assert.ok(coverage >= 0 && coverage <= 1 && (coverageAtLeast ?? 0) <= coverage, `coverage ${coverage}`);
  return Object.entries({ ...counts, ...unusable, ...shed, ...failed });
}

function sum(counters: Record<string, number>): number {
  return Object.values(counters).reduce((a, b) => a + b, 0);
}
