import { closeSync, fstatSync, ftruncateSync, mkdirSync, openSync, writeSync } from "node:fs";
import { dirname } from "node:path";

import type { ExchangeSample } from "./exchange";
import { cannotWrite, FileTrouble } from "./fileTrouble";
import { sampleRoom, writeSample } from "./sampleLine";

const bufferBytes = 131_072;
const lineEnd = 10;

/** Appends one line of JSON per exchange; lines are whole whenever the file is read after a flush. */
export class SamplesFile {
  /** Lines that the disk did not take. */
  unwritten = 0;
  private readonly descriptor: number;
  private readonly buffer = Buffer.allocUnsafeSlow(bufferBytes);
  private filled = 0;
  private readonly trouble: FileTrouble;

  /** Throws a `ShadownetError` when the file cannot be opened. */
  constructor(path: string) {
    this.trouble = new FileTrouble(path, "exchanges are left out of it and counted");
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.descriptor = openSync(path, "a", 0o644);
    } catch (error) {
      throw cannotWrite(path, error);
    }
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
    let at = 0;
    try {
      while (at < bytes.length) at += writeSync(this.descriptor, bytes, at);
      this.trouble.worked();
    } catch (error) {
      const whole = at === 0 ? 0 : bytes.lastIndexOf(lineEnd, at - 1) + 1;
      this.takeBack(at - whole);
      for (const byte of bytes.subarray(whole)) if (byte === lineEnd) this.unwritten++;
      this.trouble.failed(error);
    }
  }

  /** Takes the beginning of a line off the file's end. */
  private takeBack(bytes: number): void {
    if (bytes === 0) return;
    try {
      ftruncateSync(this.descriptor, fstatSync(this.descriptor).size - bytes);
    } catch {
      // A pipe or a device keeps what it has.
    }
  }
}
