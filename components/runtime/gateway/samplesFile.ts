import { closeSync, openSync, writeSync } from "node:fs";
import { mkdirSync } from "node:fs";
import { dirname } from "node:path";

import type { ExchangeSample } from "./exchange";
import { sampleLine } from "./sampleLine";

const flushBytes = 65_536;

/** Appends one line of JSON per exchange; lines are whole whenever the file is read after a flush. */
export class SamplesFile {
  private readonly descriptor: number;
  private lines: string[] = [];
  private bytes = 0;

  constructor(path: string) {
    mkdirSync(dirname(path), { recursive: true });
    this.descriptor = openSync(path, "a", 0o644);
  }

  add(sample: ExchangeSample): void {
    const line = sampleLine(sample);
    this.lines.push(line);
    this.bytes += line.length;
    if (this.bytes >= flushBytes) this.flush();
  }

  flush(): void {
    if (this.lines.length === 0) return;
    const text = Buffer.from(this.lines.join(""));
    this.lines = [];
    this.bytes = 0;
    for (let at = 0; at < text.length;) at += writeSync(this.descriptor, text, at);
  }

  close(): void {
    this.flush();
    closeSync(this.descriptor);
  }
}
