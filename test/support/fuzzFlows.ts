/** Valid flows of every protocol that the gateway knows, chosen by a seed, each with the messages that it really holds. */
import { TcpScript, udpFrame, type Peer } from "./capture";
import { conversations, type Conversation } from "./protocols";
import { sessionScript, type Spoken } from "./recordedSession";

/** One generated flow. */
export interface FuzzFlow {
  protocol: FuzzProtocol;
  frames: Buffer[];
  /** What its client asks, message by message. */
  truth: Buffer[];
}

/** Protocols and the ports of their servers. */
export const fuzzPorts = {
  http1: 80,
  http2: 8_080,
  redis: 6_379,
  postgres: 5_432,
  mysql: 3_306,
  mongodb: 27_017,
  amqp: 5_672,
  dns: 53,
  tls: 443,
  raw: 7,
  udp: 9_053,
} as const;

/** A protocol of a generated flow. */
export type FuzzProtocol = keyof typeof fuzzPorts;

/** The live server's addresses. */
export const fuzzServers = ["10.9.0.1", "fd00:9::1"] as const;

/** What the server of a protocol says on one question, at least as long as in any conversation; HTTP/2 has its own. */
export const fuzzAnswers: Record<Exclude<FuzzProtocol, "http2" | "udp">, { greeting?: Buffer; answer: Buffer }> = {
  http1: { answer: Buffer.from("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok") },
  tls: { answer: tlsRecord(23, Buffer.alloc(40, 7)) },
  raw: { answer: Buffer.from("\x03 so it is") },
  ...Object.fromEntries(Object.entries(conversations).map(([name, of]) => [name, serverOf(of([Buffer.alloc(30)]))])),
} as Record<Exclude<FuzzProtocol, "http2" | "udp">, { greeting?: Buffer; answer: Buffer }>;

function serverOf({ greeting, turns }: Conversation): { greeting?: Buffer; answer: Buffer } {
  const answer = turns.at(-1)!.answers;
  return greeting === undefined ? { answer } : { greeting, answer };
}

function tlsRecord(type: number, body: Buffer): Buffer {
  return Buffer.concat([Buffer.from([type, 3, 3, body.length >> 8, body.length & 255]), body]);
}

/** Bytes that begin no message of any protocol, with the flow's name in front. */
function valueOf(name: string, random: () => number): Buffer {
  const length = random() < 0.9 ? 40 + Math.floor(random() * 400) : 3_000 + Math.floor(random() * 9_000);
  return Buffer.from(`${name}:`.padEnd(length, "0123456789abcdef"), "latin1");
}

function http1Turns(values: readonly Buffer[], random: () => number): Conversation["turns"] {
  const { answer } = fuzzAnswers.http1;
  return values.map((value) => {
    const path = value.toString("latin1", 0, value.indexOf(":"));
    const body = value.toString("latin1");
    const kinds = [
      `GET /${path} HTTP/1.1\r\nHost: x\r\n\r\n`,
      `POST /${path} HTTP/1.1\r\nContent-Length: ${body.length}\r\n\r\n${body}`,
      `PUT /${path} HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n${body.length.toString(16)};x=y\r\n${body}\r\n0\r\nT: 1\r\n\r\n`,
    ];
    return { asks: Buffer.from(kinds[Math.floor(random() * kinds.length)]!, "latin1"), answers: answer };
  });
}

function conversationOf(protocol: FuzzProtocol, values: readonly Buffer[], random: () => number): Conversation {
  if (protocol === "http1") return { greeting: undefined, turns: http1Turns(values, random) };
  if (protocol === "tls") {
    const hello = { asks: tlsRecord(22, Buffer.concat([Buffer.from([1, 0, 0, 90]), Buffer.alloc(90, 5)])) };
    const turns = [hello, ...values.map((value) => ({ asks: tlsRecord(23, value) }))];
    return { greeting: undefined, turns: turns.map((turn) => ({ ...turn, answers: fuzzAnswers.tls.answer })) };
  }
  if (protocol === "raw") {
    const turns = values.map((value) => ({ asks: Buffer.concat([Buffer.from([1, 2]), value]) }));
    return { greeting: undefined, turns: turns.map((turn) => ({ ...turn, answers: fuzzAnswers.raw.answer })) };
  }
  return conversations[protocol]!(values);
}

/** A flow of a random protocol; `name` stands in what it says. */
export function fuzzFlow(
  protocol: FuzzProtocol,
  name: string,
  client: number,
  random: () => number,
  http2: readonly { spoken: Spoken[]; truth: Buffer[] }[],
): FuzzFlow {
  const pick = <T>(list: readonly T[]): T => list[Math.floor(random() * list.length)]!;
  const six = random() < 0.3;
  const from: Peer = { address: six ? "fd00:8::1" : "10.8.0.1", port: client };
  const to: Peer = { address: fuzzServers[six ? 1 : 0], port: fuzzPorts[protocol] };
  const values = Array.from({ length: 1 + Math.floor(random() * 6) }, (_, index) =>
    valueOf(`${name}i${index}`, random),
  );
  if (protocol === "udp") return udpFlow(values, from, to);
  const options = {
    mss: pick([31, 200, 536, 1_460, 9_000]),
    clientIsn: pick([1, 1_000, 0x7fffff00, 0xfffffe00]),
    serverIsn: pick([5_000, 0xfffffff0]),
    vlan: random() < 0.2 ? 7 : undefined,
    ipOptions: six ? 0 : pick([0, 0, 3, 10]),
    extensionHeaders: six ? pick([0, 1, 4]) : 0,
  };
  if (protocol === "http2") {
    const session = pick(http2);
    const frames = sessionScript(session.spoken, from, to, options).close().frames;
    return { protocol, frames, truth: session.truth };
  }
  const { greeting, turns } = conversationOf(protocol, values, random);
  const script = new TcpScript(from, to, options).handshake();
  if (greeting !== undefined) script.say(false, greeting).acknowledge(true);
  for (const { asks, answers } of turns) {
    script.say(true, asks).acknowledge(false).say(false, answers).acknowledge(true);
  }
  if (random() < 0.15) script.reset(random() < 0.5);
  else script.close();
  return { protocol, frames: script.frames, truth: turns.map(({ asks }) => asks) };
}

function udpFlow(values: readonly Buffer[], client: Peer, server: Peer): FuzzFlow {
  const truth = values.map((value) => value.subarray(0, 1_200));
  const frames = truth.flatMap((bytes) => [
    udpFrame(client, server, bytes),
    udpFrame(server, client, Buffer.from("ok")),
  ]);
  return { protocol: "udp", frames, truth };
}
