import { statSync } from "node:fs";

import { ExitCode, ShadownetError } from "../../../internal/problems";
import { ByteReader } from "./byteReader";
import { readPcapng } from "./pcapng";

/** One packet of a capture file. */
export interface CapturedPacket {
  /** Milliseconds since 1970. */
  time: number;
  /** What stands before the packet: 1 = Ethernet, see `linkTypes.ts`; -1 when the file does not say. */
  linkType: number;
  data: Buffer;
}

/** Told when a file ends within a packet, or goes on with something that is none. */
export type CutListener = () => void;

const maximumPacket = 16 * 2 ** 20;
const pcapMagic = new Map<number, { littleEndian: boolean; perSecond: number }>([
  [0xa1b2c3d4, { littleEndian: false, perSecond: 1e6 }],
  [0xd4c3b2a1, { littleEndian: true, perSecond: 1e6 }],
  [0xa1b23c4d, { littleEndian: false, perSecond: 1e9 }],
  [0x4d3cb2a1, { littleEndian: true, perSecond: 1e9 }],
]);
const sectionHeader = 0x0a0d0d0a;
/** First bytes of compressed files. */
const compressed: [string, string][] = [
  ["gzip", "1f8b"],
  ["zstd", "28b52ffd"],
  ["xz", "fd377a58"],
  ["bzip2", "425a68"],
];

/**
 * Reads a pcap or pcapng file, or a pipe, packet by packet. Throws a `ShadownetError` when it cannot be read or is neither;
 * `cut` is told when it does not end with a whole packet.
 */
export async function* readCapture(path: string, cut: CutListener = () => undefined): AsyncGenerator<CapturedPacket> {
  let reader: ByteReader | undefined;
  try {
    reader = await ByteReader.open(path);
    const first = await reader.take(4);
    const magic = first?.readUInt32BE(0) ?? 0;
    const format = pcapMagic.get(magic);
    if (format !== undefined) yield* readPcap(reader, format, cut);
    else if (magic === sectionHeader) yield* readPcapng(reader, cut);
    else throw badCapture(`${path} ${whatItIs(first, reader.left)}`);
  } catch (error) {
    if (error instanceof ShadownetError) throw error;
    throw badCapture(`${path} cannot be read: ${error instanceof Error ? error.message : String(error)}`);
  } finally {
    reader?.close();
  }
}

/**
 * Throws a `ShadownetError` when a file cannot be read or is no recording. A pipe is not looked into: what was read of it
 * would be gone.
 */
export async function checkCapture(path: string): Promise<void> {
  const there = path === "-" ? undefined : statSync(path, { throwIfNoEntry: false });
  if (path === "-" || there?.isFIFO() === true || there?.isCharacterDevice() === true) return;
  const packets = readCapture(path);
  try {
    await packets.next();
  } finally {
    await packets.return(undefined);
  }
}

function badCapture(message: string): ShadownetError {
  return new ShadownetError("bad-capture", message, ExitCode.BadInput);
}

function whatItIs(first: Buffer | undefined, left: number): string {
  if (first === undefined && left === 0) return "is empty";
  const begins = first?.toString("hex") ?? "";
  const format = compressed.find(([, bytes]) => begins.startsWith(bytes))?.[0];
  return format === undefined ? "is neither pcap nor pcapng" : `is compressed with ${format}; unpack it first`;
}

async function* readPcap(
  reader: ByteReader,
  { littleEndian, perSecond }: { littleEndian: boolean; perSecond: number },
  cut: CutListener,
): AsyncGenerator<CapturedPacket> {
  const word = (bytes: Buffer, at: number): number => (littleEndian ? bytes.readUInt32LE(at) : bytes.readUInt32BE(at));
  const header = await reader.take(20);
  if (header === undefined) {
    cut();
    return;
  }
  const linkType = word(header, 16) & 0xffff;
  for (;;) {
    const record = await reader.take(16);
    if (record === undefined) {
      if (reader.left > 0) cut();
      return;
    }
    const length = word(record, 8);
    const data = length > maximumPacket ? undefined : await reader.take(length);
    if (data === undefined) {
      cut();
      return;
    }
    yield { time: word(record, 0) * 1000 + (word(record, 4) * 1000) / perSecond, linkType, data };
  }
}
