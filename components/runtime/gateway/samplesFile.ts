import { closeSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";

import type { ExchangeSample } from "./exchange";
import { sampleLine } from "./sampleLine";

const bufferBytes = 131_072;
/** Most bytes that a UTF-16 unit takes in UTF-8. */
const bytesPerUnit = 3;

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
    const line = sampleLine(sample);
    const room = line.length * bytesPerUnit;
    if (this.filled + room > bufferBytes) this.flush();
    if (room > bufferBytes) this.write(Buffer.from(line));
    else this.filled += this.buffer.write(line, this.filled);
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
