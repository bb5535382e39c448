import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";

import type { ExchangeSample } from "./exchange";
import { sampleRoom, writeSample } from "./sampleLine";

const bufferBytes = 131_072;

/** Appends one line of JSON per exchange; lines are whole whenever the file is read after a flush. */
export class SamplesFile {
  private readonly descriptor: number;
  private readonly buffer = Buffer.allocUnsafeSlow(bufferBytes);
  private filled = 0;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.descriptor = openSync(path, "a", 0o644);
  }

  add(sample: ExchangeSample): void {
    const room = sampleRoom(sample);
    if (this.filled + room > bufferBytes) this.flush();
    if (room > bufferBytes) {
      const own = Buffer.allocUnsafeSlow(room);
      this.write(own.subarray(0, writeSample(own, 0, sample)));
    } else this.filled = writeSample(this.buffer, this.filled, sample);
  }

  flush(): void {
    if (this.filled > 0) this.write(this.buffer.subarray(0, this.filled));
    this.filled = 0;
  }

  close(): void {
    this.flush();
    closeSync(this.descriptor);
  }

  private write(bytes: Buffer): void {
    for (let at = 0; at < bytes.length;) at += writeSync(this.descriptor, bytes, at);
  }
}
