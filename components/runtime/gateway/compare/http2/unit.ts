import type { Exchange } from "../exchangeLog";
import { FrameFlag, FrameType, makeFrame } from "./frames";
import { encodePlainly, type Field } from "./hpack";

/** A part of a client's side of an HTTP/2 connection that goes to the shadow as one: a frame, or a whole header block. */
export interface Http2Unit {
  bytes: Buffer[];
  size: number;
  type: number;
  flags: number;
  stream: number;
  /** When its last byte arrived. */
  due: number;
  /** The request that it belongs to. */
  exchange: Exchange | undefined;
  /** The request begins with it. */
  begins: boolean;
  /** The request is complete with it. */
  ends: boolean;
  /** Fields of a header block. */
  fields: readonly Field[] | undefined;
}

const safeFrameBytes = 16_384;

/** The header block of a unit as frames that a connection can take whose compression tables are empty. */
export function reencode(unit: Http2Unit): Buffer[] {
  const block = encodePlainly(unit.fields ?? []);
  const frames: Buffer[] = [];
  for (let at = 0; at === 0 || at < block.length; at += safeFrameBytes) {
    const end = at === 0 ? unit.flags & FrameFlag.EndStream : 0;
    const flags = end | (at + safeFrameBytes >= block.length ? FrameFlag.EndHeaders : 0);
    const type = at === 0 ? FrameType.Headers : FrameType.Continuation;
    frames.push(makeFrame(type, flags, unit.stream, block.subarray(at, at + safeFrameBytes)));
  }
  return frames;
}
