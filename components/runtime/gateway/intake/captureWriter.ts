import { constants, createWriteStream, fstatSync, ftruncateSync, mkdirSync, openSync, type WriteStream } from "node:fs";
import { dirname } from "node:path";

import { cannotWrite, FileTrouble } from "../fileTrouble";

const sectionHeader = 0x0a0d0d0a;

/** Where the packets of carried flows are recorded. */
export interface PacketRecorder {
  /** Packets that were left out because they came faster than they could be kept. */
  readonly dropped: number;
  /** What was kept before is given up; without it that happens with the first packet. */
  begin?(): void;
  write(frame: Buffer, time: number): void;
  close(): Promise<void>;
}

/**
 * Writes Ethernet frames as pcapng, with microseconds; what the disk does not take in time is counted, not queued. What the
 * file had before is there until it begins.
 */
export class CaptureWriter implements PacketRecorder {
  private readonly descriptor: number;
  private readonly stream: WriteStream;
  private begun = false;
  /** Frames that were left out because the disk was too slow or could not be written. */
  dropped = 0;
  private readonly written = (error: Error | null | undefined): void => {
    if (error !== null && error !== undefined) this.dropped++;
  };

  /** Throws a `ShadownetError` when the file cannot be opened. */
  constructor(
    path: string,
    private readonly maximumQueuedBytes = 32 * 2 ** 20,
  ) {
    const trouble = new FileTrouble(path, "further packets are left out of it and counted");
    this.descriptor = openToWrite(path);
    this.stream = createWriteStream(path, { fd: this.descriptor });
    this.stream.on("error", (error) => trouble.failed(error));
  }

  /** Begins the file anew, unless it has begun. */
  begin(): void {
    if (this.begun) return;
    this.begun = true;
    if (fstatSync(this.descriptor).isFile()) ftruncateSync(this.descriptor);
    const header = Buffer.alloc(28 + 20);
    header.writeUInt32LE(sectionHeader, 0);
    header.writeUInt32LE(28, 4);
    header.writeUInt32LE(0x1a2b3c4d, 8);
    header.writeUInt16LE(1, 12);
    header.fill(0xff, 16, 24);
    header.writeUInt32LE(28, 24);
    header.writeUInt32LE(1, 28);
    header.writeUInt32LE(20, 32);
    header.writeUInt16LE(1, 36);
    header.writeUInt32LE(20, 44);
    this.stream.write(header);
  }

  write(frame: Buffer, time: number): void {
    this.begin();
    if (this.stream.destroyed || this.stream.writableLength > this.maximumQueuedBytes) {
      this.dropped++;
      return;
    }
    const padded = Math.ceil(frame.length / 4) * 4;
    const block = Buffer.alloc(32 + padded);
    const units = Math.round(time * 1000);
    block.writeUInt32LE(6, 0);
    block.writeUInt32LE(block.length, 4);
    block.writeUInt32LE(Math.floor(units / 2 ** 32), 12);
    block.writeUInt32LE(units >>> 0, 16);
    block.writeUInt32LE(frame.length, 20);
    block.writeUInt32LE(frame.length, 24);
    frame.copy(block, 28);
    block.writeUInt32LE(block.length, 28 + padded);
    this.stream.write(block, this.written);
  }

  close(): Promise<void> {
    return new Promise((resolve) => this.stream.end(resolve));
  }
}

function openToWrite(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, constants.O_WRONLY | constants.O_CREAT, 0o644);
  } catch (error) {
    throw cannotWrite(path, error);
  }
}
