/** Messages of protocols other than HTTP, built byte by byte, independently of the gateway. */

/** One conversation by turns: what the server says first, and what is asked and answered after it. */
export interface Conversation {
  greeting: Buffer | undefined;
  turns: { asks: Buffer; answers: Buffer }[];
}

function text(value: string): Buffer {
  return Buffer.from(value, "latin1");
}

function numbered(bytes: number, write: (buffer: Buffer) => void): Buffer {
  const buffer = Buffer.alloc(bytes);
  write(buffer);
  return buffer;
}

/** A Redis command. */
export function redisCommand(...words: (string | Buffer)[]): Buffer {
  const parts = words.flatMap((word) => [text(`$${word.length}\r\n`), Buffer.from(word), text("\r\n")]);
  return Buffer.concat([text(`*${words.length}\r\n`), ...parts]);
}

function redis(values: readonly Buffer[]): Conversation {
  const turns = values.map((value, index) => ({
    asks: redisCommand("SET", `k${index}`, value),
    answers: text("+OK\r\n"),
  }));
  return { greeting: undefined, turns };
}

/** A PostgreSQL message with a type. */
export function postgresMessage(type: string, body: Buffer): Buffer {
  return Buffer.concat([text(type), numbered(4, (b) => b.writeUInt32BE(4 + body.length)), body]);
}

function postgres(values: readonly Buffer[]): Conversation {
  const body = Buffer.concat([numbered(4, (b) => b.writeUInt32BE(196_608)), text("user\0a\0\0")]);
  const startup = Buffer.concat([numbered(4, (b) => b.writeUInt32BE(4 + body.length)), body]);
  const ready = postgresMessage("Z", text("I"));
  const turns = values.map((value) => ({
    asks: Buffer.concat([
      postgresMessage("P", Buffer.concat([text("\0"), value, text("\0\0\0")])),
      postgresMessage("B", text("\0\0")),
      postgresMessage("S", Buffer.alloc(0)),
    ]),
    answers: ready,
  }));
  return { greeting: undefined, turns: [{ asks: startup, answers: ready }, ...turns] };
}

/** A packet of MySQL. */
export function mysqlPacket(sequence: number, body: Buffer): Buffer {
  const header = numbered(4, (b) => b.writeUIntLE(body.length, 0, 3));
  header[3] = sequence;
  return Buffer.concat([header, body]);
}

function mysql(values: readonly Buffer[]): Conversation {
  const fine = mysqlPacket(1, Buffer.alloc(7));
  const greeting = mysqlPacket(0, Buffer.concat([text("\x0a8.0.36\0"), Buffer.alloc(60, 1)]));
  const login = { asks: mysqlPacket(1, Buffer.concat([Buffer.alloc(32, 2), text("root\0\0")])), answers: fine };
  const turns = values.map((value) => ({ asks: mysqlPacket(0, Buffer.concat([text("\x03"), value])), answers: fine }));
  return { greeting, turns: [login, ...turns] };
}

/** A MongoDB message of the present kind around any document; of the flags, 2 says that no answer is to come. */
export function mongoMessage(id: number, document: Buffer, flags = 0): Buffer {
  const header = Buffer.alloc(21);
  header.writeUInt32LE(21 + document.length, 0);
  header.writeUInt32LE(id, 4);
  header.writeUInt32LE(2_013, 12);
  header.writeUInt32LE(flags, 16);
  return Buffer.concat([header, document]);
}

function mongodb(values: readonly Buffer[]): Conversation {
  const turns = values.map((value, id) => ({ asks: mongoMessage(id, value), answers: mongoMessage(id, text("ok")) }));
  return { greeting: undefined, turns };
}

function dns(values: readonly Buffer[]): Conversation {
  const turns = values.map((value, id) => {
    const header = Buffer.alloc(12);
    header.writeUInt16BE(id, 0);
    header[2] = 1;
    header.writeUInt16BE(1, 4);
    const message = Buffer.concat([header, value.subarray(0, 200), text("\0\0\x01\0\x01")]);
    return {
      asks: Buffer.concat([numbered(2, (b) => b.writeUInt16BE(message.length)), message]),
      answers: text("\0\x02ok"),
    };
  });
  return { greeting: undefined, turns };
}

/** A frame of AMQP 0-9-1. */
export function amqpFrame(type: number, channel: number, payload: Buffer): Buffer {
  const header = numbered(7, (b) => b.writeUInt16BE(channel, 1));
  header[0] = type;
  header.writeUInt32BE(payload.length, 3);
  return Buffer.concat([header, payload, Buffer.from([0xce])]);
}

/** A method of AMQP 0-9-1 with any arguments. */
export function amqpMethod(channel: number, kind: number, method: number, rest: Buffer = Buffer.alloc(0)): Buffer {
  const name = numbered(4, (b) => b.writeUInt16BE(kind, 0));
  name.writeUInt16BE(method, 2);
  return amqpFrame(1, channel, Buffer.concat([name, rest]));
}

/** The frames of a message that is published: the method, the header and the parts of the body. */
export function amqpPublish(channel: number, parts: readonly Buffer[]): Buffer[] {
  const header = numbered(14, (b) => b.writeUInt16BE(60, 0));
  header.writeBigUInt64BE(BigInt(parts.reduce((sum, part) => sum + part.length, 0)), 4);
  const method = amqpMethod(channel, 60, 40, text("\0\0\0\x01q\0"));
  return [method, amqpFrame(2, channel, header), ...parts.map((part) => amqpFrame(3, channel, part))];
}

/** What a client and a server of AMQP 0-9-1 say until a channel is open. */
export const amqpLogin: Conversation["turns"] = [
  { asks: text("AMQP\0\0\x09\x01"), answers: amqpMethod(0, 10, 10, text("\0\x09")) },
  { asks: amqpMethod(0, 10, 11, text("\0\0\0\0\x05PLAIN")), answers: amqpMethod(0, 10, 30, Buffer.alloc(8)) },
  {
    asks: Buffer.concat([amqpMethod(0, 10, 31, Buffer.alloc(8)), amqpMethod(0, 10, 40, text("\x01/\0\0"))]),
    answers: amqpMethod(0, 10, 41, Buffer.alloc(1)),
  },
  { asks: amqpMethod(1, 20, 10, Buffer.alloc(1)), answers: amqpMethod(1, 20, 11, Buffer.alloc(4)) },
];

function amqp(values: readonly Buffer[]): Conversation {
  const turns = values.map((value, index) => {
    const confirmed = numbered(9, (b) => b.writeUInt32BE(index + 1, 4));
    const half = value.length >> 1;
    const asks = Buffer.concat(amqpPublish(1, [value.subarray(0, half), value.subarray(half)]));
    return { asks, answers: amqpMethod(1, 60, 80, confirmed) };
  });
  return { greeting: undefined, turns: [...amqpLogin, ...turns] };
}

/** Conversations of each protocol that ask with these values. */
export const conversations: Record<string, (values: readonly Buffer[]) => Conversation> = {
  redis,
  postgres,
  mysql,
  mongodb,
  dns,
  amqp,
};
