import { constants, createReadStream, open } from "node:fs";
import { stat } from "node:fs/promises";
import { Socket } from "node:net";
import type { Readable } from "node:stream";
import { promisify } from "node:util";

/** Hands out bytes of a file in the amounts asked for. */
export class ByteReader {
  private rest: Buffer = Buffer.alloc(0);
  private readonly chunks: AsyncIterator<Buffer>;

  private constructor(private readonly stream: Readable) {
    this.chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  }

  /** Opens a file, or a pipe, of which `-` is the one at standard input. */
  static async open(path: string): Promise<ByteReader> {
    const place = path === "-" ? "/dev/stdin" : path;
    if (!(await stat(place)).isFIFO()) return new ByteReader(createReadStream(place, { highWaterMark: 1 << 20 }));
    // What waits for a pipe in a thread of Node's pool, for a writer or for bytes, would keep the process from ending.
    const fd = await promisify(open)(place, constants.O_RDONLY | constants.O_NONBLOCK);
    return new ByteReader(new Socket({ fd, readable: true, writable: false }));
  }

  /** The next bytes, or undefined when the file ends before. */
  async take(length: number): Promise<Buffer | undefined> {
    const parts = [this.rest];
    let have = this.rest.length;
    while (have < length) {
      const next = await this.chunks.next();
      if (next.done === true) {
        this.rest = Buffer.concat(parts);
        return undefined;
      }
      parts.push(next.value);
      have += next.value.length;
    }
    const all = parts.length === 1 ? this.rest : Buffer.concat(parts);
    this.rest = all.subarray(length);
    return all.subarray(0, length);
  }

  /** Bytes that are left after {@link take} found too few. */
  get left(): number {
    return this.rest.length;
  }

  close(): void {
    this.stream.destroy();
  }
}
