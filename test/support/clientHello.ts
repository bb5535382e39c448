import { once } from "node:events";
import { createServer, type Socket } from "node:net";
import { connect, type ConnectionOptions } from "node:tls";

/** The first bytes that a real TLS client sends, until it waits for an answer. */
export async function realHello(options: ConnectionOptions): Promise<Buffer> {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const { port } = server.address() as { port: number };
  const client = connect({ host: "127.0.0.1", port, ...options });
  client.on("error", () => undefined);
  const [socket] = (await once(server, "connection")) as [Socket];
  const parts: Buffer[] = [];
  socket.on("data", (bytes: Buffer) => parts.push(bytes));
  while (!isWhole(Buffer.concat(parts))) await once(socket, "data");
  client.destroy();
  socket.destroy();
  server.close();
  return Buffer.concat(parts);
}

function isWhole(bytes: Buffer): boolean {
  return bytes.length >= 5 && bytes.length >= 5 + bytes.readUInt16BE(3);
}

/** The same hello in records of at most `most` bytes. */
export function inRecords(hello: Buffer, most: number): Buffer {
  const message = hello.subarray(5);
  const records: Buffer[] = [];
  for (let at = 0; at < message.length; at += most) {
    const part = message.subarray(at, at + most);
    const header = Buffer.from([0x16, 3, 1, 0, 0]);
    header.writeUInt16BE(part.length, 3);
    records.push(header, part);
  }
  return Buffer.concat(records);
}

/** Where the list of extensions begins in a hello of one record. */
function extensionsAt(hello: Buffer): number {
  let at = 5 + 4 + 2 + 32;
  at += 1 + hello[at]!;
  at += 2 + hello.readUInt16BE(at);
  return at + 1 + hello[at]!;
}

/** The same hello with another extension before or behind all others. */
export function withExtension(hello: Buffer, type: number, content: Buffer, first: boolean): Buffer {
  const extension = Buffer.concat([Buffer.alloc(4), content]);
  extension.writeUInt16BE(type, 0);
  extension.writeUInt16BE(content.length, 2);
  const lengthAt = extensionsAt(hello);
  const at = first ? lengthAt + 2 : hello.length;
  const longer = Buffer.concat([hello.subarray(0, at), extension, hello.subarray(at)]);
  longer.writeUInt16BE(longer.length - 5, 3);
  longer.writeUIntBE(longer.length - 9, 6, 3);
  longer.writeUInt16BE(longer.length - lengthAt - 2, lengthAt);
  return longer;
}
