import { type FileHandle, open, stat } from "node:fs/promises";

const chunkBytes = 256 * 1024;

/** No line of ours is longer; a longer one is given up, so that a broken file cannot fill the memory. */
const longestLine = 1024 * 1024;

/** Follows a growing file line by line, through rotation (a new file under the name) and truncation. */
export class LineTail {
  /** Lines given up because they were too long. */
  lost = 0;
  private handle: FileHandle | undefined;
  private inode = 0;
  private offset = 0;
  private rest: Buffer = Buffer.alloc(0);

  constructor(private readonly file: string) {}

  /** Goes to the present end of the file, if there is one, so that only later lines are read. */
  async skipToEnd(): Promise<void> {
    await this.open();
    if (this.handle !== undefined) this.offset = (await this.handle.stat()).size;
  }

  /** The complete lines that came since the last call. */
  async read(): Promise<string[]> {
    if (this.handle === undefined) await this.open();
    const lines = await this.drain();
    const present = await stat(this.file).catch(() => undefined);
    if (this.handle === undefined || present === undefined) return lines;
    if (present.ino !== this.inode) {
      lines.push(...(await this.drain()));
      await this.close();
      await this.open();
      lines.push(...(await this.drain()));
    } else if (present.size < this.offset) {
      this.offset = 0;
      this.rest = Buffer.alloc(0);
      lines.push(...(await this.drain()));
    }
    return lines;
  }

  async close(): Promise<void> {
    await this.handle?.close();
    this.handle = undefined;
    this.offset = 0;
    this.rest = Buffer.alloc(0);
  }

  private async open(): Promise<void> {
    try {
      this.handle = await open(this.file, "r");
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== "ENOENT") throw error;
      return;
    }
    this.inode = (await this.handle.stat()).ino;
  }

  private async drain(): Promise<string[]> {
    const lines: string[] = [];
    if (this.handle === undefined) return lines;
    const chunk = Buffer.allocUnsafe(chunkBytes);
    for (;;) {
      const { bytesRead } = await this.handle.read(chunk, 0, chunkBytes, this.offset);
      if (bytesRead === 0) return lines;
      this.offset += bytesRead;
      this.take(Buffer.concat([this.rest, chunk.subarray(0, bytesRead)]), lines);
    }
  }

  private take(bytes: Buffer, lines: string[]): void {
    let start = 0;
    for (let end = bytes.indexOf(10); end !== -1; end = bytes.indexOf(10, start)) {
      if (end > start) lines.push(bytes.toString("utf8", start, end));
      start = end + 1;
    }
    this.rest = bytes.subarray(start);
    if (this.rest.length > longestLine) {
      this.rest = Buffer.alloc(0);
      this.lost += 1;
    }
  }
}
