/** Ways of packets into a gateway, for a fuzzer: each sends what it is given, changed on the way where it is told to. */
import { createSocket } from "node:dgram";
import { writeFileSync } from "node:fs";
import { connect } from "node:net";

import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { geneve, geneveOption, vxlan } from "./capture";
import { until } from "./captureHarness";
import { scrambled } from "./mutations";

/** A packet of a round. */
export interface Sent {
  frame: Buffer;
  /** Nobody touches this one. */
  untouched: boolean;
}

/** Kinds of intake that listen. */
export const fuzzIntakes = ["vxlan", "geneve", "tcp"] as const;

/** Share of the packets of a hostile round whose encapsulation is changed. */
const scrambledShare = 0.1;

function encapsulated(kind: "vxlan" | "geneve", frame: Buffer, random: () => number): Buffer {
  if (kind === "vxlan") return vxlan(frame);
  const options = Array.from({ length: Math.floor(random() * 5) }, (_, index) =>
    geneveOption(0x0108, index + 1, Buffer.alloc(4 * Math.floor(random() * 4), index)),
  );
  return geneve(frame, { options: Buffer.concat(options), aws: random() < 0.7 });
}

/** Sends packets to an intake and waits until they are taken. */
export async function sendTo(
  kind: (typeof fuzzIntakes)[number],
  address: string,
  intake: () => GatewayStats["intake"],
  packets: readonly Sent[],
  hostile: boolean,
  random: () => number,
): Promise<void> {
  const port = Number(address.split(":").at(-1));
  if (kind === "tcp") {
    await Promise.all([true, false].map((untouched) => feed(port, packets, untouched, hostile, random)));
    return;
  }
  const taken = (): number => intake().packets + (intake().kernelDrops ?? 0);
  const goal = taken() + packets.length;
  const socket = createSocket("udp4");
  for (let at = 0; at < packets.length; at += 200) {
    const sending = packets.slice(at, at + 200).map(({ frame, untouched }) => {
      const whole = encapsulated(kind, frame, random);
      const bytes = hostile && !untouched && random() < scrambledShare ? scrambled(whole, random) : whole;
      return new Promise((done) => socket.send(bytes, port, "127.0.0.1", done));
    });
    await Promise.all(sending);
    await new Promise((done) => setImmediate(done));
  }
  await until("the gateway has taken every packet", () => taken() >= goal);
  socket.close();
}

/** Sends frames behind their lengths on one connection, in pieces of any size, until it is closed. */
async function feed(
  port: number,
  packets: readonly Sent[],
  untouched: boolean,
  hostile: boolean,
  random: () => number,
): Promise<void> {
  const parts = packets.filter((packet) => packet.untouched === untouched).map(({ frame }) => prefixed(frame));
  let stream = Buffer.concat(parts);
  if (hostile && !untouched && random() < 0.3) stream = Buffer.from(scrambled(stream, random));
  const socket = connect(port, "127.0.0.1");
  socket.on("error", () => undefined);
  const closed = new Promise((done) => socket.once("close", done));
  socket.resume();
  for (let at = 0; at < stream.length;) {
    const piece = 1 + Math.floor(random() * 8_000);
    socket.write(stream.subarray(at, at + piece));
    at += piece;
    if (random() < 0.3) await new Promise((done) => setImmediate(done));
  }
  socket.end();
  await closed;
}

function prefixed(frame: Buffer): Buffer {
  const length = Buffer.alloc(4);
  length.writeUInt32BE(frame.length);
  return Buffer.concat([length, frame]);
}

/** The blocks of a pcapng file around frames. */
function pcapng(frames: readonly Buffer[], little: boolean): Buffer {
  const block = (type: number, body: Buffer): Buffer => {
    const padded = Buffer.concat([body, Buffer.alloc(-body.length & 3)]);
    return Buffer.concat([
      word(type, little),
      word(padded.length + 12, little),
      padded,
      word(padded.length + 12, little),
    ]);
  };
  const section = Buffer.concat([word(0x1a2b3c4d, little), Buffer.alloc(4), Buffer.alloc(8, 0xff)]);
  const linkType = little ? Buffer.from([1, 0, 0, 0]) : Buffer.from([0, 1, 0, 0]);
  const packets = frames.map((frame, index) => {
    const fields = [0, 0, index, frame.length, frame.length].map((value) => word(value, little));
    return block(6, Buffer.concat([...fields, frame]));
  });
  return Buffer.concat([block(0x0a0d0d0a, section), block(1, Buffer.concat([linkType, word(0, little)])), ...packets]);
}

function word(value: number, little: boolean): Buffer {
  const bytes = Buffer.alloc(4);
  if (little) bytes.writeUInt32LE(value);
  else bytes.writeUInt32BE(value);
  return bytes;
}

/** A pcap file around frames. */
function pcap(frames: readonly Buffer[], little: boolean, nanoseconds: boolean): Buffer {
  const magic = nanoseconds ? 0xa1b23c4d : 0xa1b2c3d4;
  const header = [magic, little ? 0x00040002 : 0x00020004, 0, 0, 262_144, 1].map((value) => word(value, little));
  const records = frames.flatMap((frame, index) => [
    ...[index, index, frame.length, frame.length].map((value) => word(value, little)),
    frame,
  ]);
  return Buffer.concat([...header, ...records]);
}

/** Writes a recording of one of the formats. */
export function writeRecording(path: string, frames: readonly Buffer[], random: () => number, changes = 0): void {
  const little = random() < 0.5;
  let file = random() < 0.5 ? pcapng(frames, little) : pcap(frames, little, random() < 0.5);
  for (let left = changes; left > 0; left--) file = Buffer.from(scrambled(file, random));
  writeFileSync(path, file);
}
