/** One file of an archive. */
export interface TarEntry {
  /** Path inside the archive, at most 100 bytes. */
  path: string;
  content: Buffer;
  /** Whether it is a program. Defaults to false. */
  executable?: boolean;
}

const blockBytes = 512;

/** A tar archive (ustar) whose bytes depend on paths and contents alone: no times, no owners, sorted by path. */
export function tar(entries: readonly TarEntry[]): Buffer {
  const sorted = [...entries].sort((a, b) => (a.path < b.path ? -1 : 1));
  const blocks = sorted.flatMap((entry) => [header(entry), entry.content, padding(entry.content.length)]);
  return Buffer.concat([...blocks, Buffer.alloc(2 * blockBytes)]);
}

function header({ path, content, executable = false }: TarEntry): Buffer {
  const block = Buffer.alloc(blockBytes);
  if (Buffer.byteLength(path) > 100) throw new Error(`${path} is too long for an archive`);
  const octal = (value: number, at: number, length: number): void => {
    block.write(value.toString(8).padStart(length - 1, "0"), at, "latin1");
  };
  block.write(path, 0);
  octal(executable ? 0o755 : 0o644, 100, 8);
  octal(0, 108, 8);
  octal(0, 116, 8);
  octal(content.length, 124, 12);
  octal(0, 136, 12);
  block.write("        0", 148, "latin1");
  block.write("ustar\x0000", 257, "latin1");
  const sum = block.reduce((total, byte) => total + byte, 0);
  block.write(`${sum.toString(8).padStart(6, "0")}\0 `, 148, "latin1");
  return block;
}

function padding(length: number): Buffer {
  return Buffer.alloc((blockBytes - (length % blockBytes)) % blockBytes);
}
