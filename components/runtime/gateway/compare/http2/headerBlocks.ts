import { contentOf, FrameFlag, FrameType, type Frame } from "./frames";
import { HpackDecoder, type Field } from "./hpack";

/** A whole header block, from one frame or from several. */
export interface HeaderBlock {
  stream: number;
  fields: readonly Field[];
  endStream: boolean;
  /** Bytes of its frames as they were on the wire. */
  bytes: Buffer[];
  /** A block of a promise belongs to no request. */
  promised: boolean;
}

interface Unfinished {
  stream: number;
  endStream: boolean;
  promised: boolean;
  bytes: Buffer[];
  fragments: Buffer[];
  size: number;
}

const longestBlock = 262_144;
const promisedStreamBytes = 4;

/** Puts the header blocks of one direction together and decodes them. */
export class HeaderBlocks {
  /** Set when a block cannot be decoded; nothing later in this direction can be. */
  broken = false;
  private readonly decoder = new HpackDecoder();
  private unfinished: Unfinished | undefined;

  /** Bytes of an unfinished block that are held. */
  get heldBytes(): number {
    return this.unfinished?.size ?? 0;
  }

  /** Whether a frame is a part of a header block. */
  static takes(frame: Frame): boolean {
    return (
      frame.type === FrameType.Headers || frame.type === FrameType.Continuation || frame.type === FrameType.PushPromise
    );
  }

  /** Takes a frame of a header block; returns the block when it is whole. */
  push(frame: Frame): HeaderBlock | undefined {
    const fragment = frame.type === FrameType.Continuation ? frame.bytes.subarray(9) : this.begin(frame);
    const block = this.unfinished;
    if (fragment === undefined || block === undefined || block.stream !== frame.stream) {
      this.broken = true;
      return undefined;
    }
    block.bytes.push(frame.bytes);
    block.fragments.push(fragment);
    block.size += frame.bytes.length;
    if (block.size > longestBlock) this.broken = true;
    if (this.broken || (frame.flags & FrameFlag.EndHeaders) === 0) return undefined;
    this.unfinished = undefined;
    return this.finish(block);
  }

  private begin(frame: Frame): Buffer | undefined {
    const content = this.unfinished === undefined ? contentOf(frame) : undefined;
    const promised = frame.type === FrameType.PushPromise;
    if (content === undefined || (promised && content.length < promisedStreamBytes)) return undefined;
    const endStream = !promised && (frame.flags & FrameFlag.EndStream) !== 0;
    this.unfinished = { stream: frame.stream, endStream, promised, bytes: [], fragments: [], size: 0 };
    return promised ? content.subarray(promisedStreamBytes) : content;
  }

  private finish({ stream, endStream, promised, bytes, fragments }: Unfinished): HeaderBlock | undefined {
    const fields = this.decoder.decode(fragments.length === 1 ? fragments[0]! : Buffer.concat(fragments));
    if (fields !== undefined) return { stream, fields, endStream, bytes, promised };
    this.broken = true;
    return undefined;
  }
}

/** Value of the first field of a name. */
export function fieldOf(fields: readonly Field[], name: string): string | undefined {
  return fields.find(([other]) => other === name)?.[1];
}
