import { connect } from "node:net";

/** Longest wait for one command's answer, and for a connection. */
const timeoutMilliseconds = 1_000;
const reconnectMilliseconds = 200;

/**
 * One pipelined connection to a Redis server (RESP 2) that comes back by itself. A command that is not answered within
 * a second fails and takes the connection with it: on a dead link the operating system would wait for minutes.
 */
export class RedisClient {
  #address;
  #port;
  #socket;
  #connected = false;
  #received = Buffer.alloc(0);
  #unsent = [];
  #pending = [];

  constructor(address, port) {
    this.#address = address;
    this.#port = port;
    this.#open();
  }

  /** Sends one command; resolves to a string, a number, null or an array of these. */
  command(...parts) {
    return new Promise((resolve, reject) => {
      const entry = { bytes: encode(parts), resolve, reject };
      entry.timer = setTimeout(() => this.#timedOut(entry), timeoutMilliseconds);
      if (this.#connected) this.#send(entry);
      else this.#unsent.push(entry);
    });
  }

  close() {
    this.#address = undefined;
    this.#drop(new Error("closed"));
  }

  #open() {
    const socket = connect({ host: this.#address, port: this.#port, noDelay: true });
    this.#socket = socket;
    const giveUp = setTimeout(() => socket.destroy(new Error("connect timed out")), timeoutMilliseconds);
    socket.on("connect", () => {
      clearTimeout(giveUp);
      this.#connected = true;
      for (const entry of this.#unsent.splice(0)) this.#send(entry);
    });
    socket.on("data", (bytes) => this.#receive(bytes));
    socket.on("error", () => undefined);
    socket.on("close", () => {
      clearTimeout(giveUp);
      if (this.#socket === socket) this.#lost(new Error("connection to the store lost"));
    });
  }

  #send(entry) {
    this.#pending.push(entry);
    this.#socket.write(entry.bytes);
  }

  #receive(bytes) {
    this.#received = this.#received.length === 0 ? bytes : Buffer.concat([this.#received, bytes]);
    let offset = 0;
    for (let reply = decode(this.#received, offset); reply !== undefined; reply = decode(this.#received, offset)) {
      offset = reply.end;
      const entry = this.#pending.shift();
      if (entry === undefined) return this.#drop(new Error("answer without a question"));
      clearTimeout(entry.timer);
      if (reply.value instanceof Error) entry.reject(reply.value);
      else entry.resolve(reply.value);
    }
    this.#received = this.#received.subarray(offset);
  }

  #timedOut(entry) {
    const waiting = this.#unsent.indexOf(entry);
    if (waiting >= 0) this.#unsent.splice(waiting, 1);
    entry.reject(new Error("the store did not answer in time"));
    if (waiting < 0) this.#drop(new Error("the store did not answer in time"));
  }

  #drop(reason) {
    this.#socket.destroy();
    this.#lost(reason);
  }

  #lost(reason) {
    this.#socket = undefined;
    this.#connected = false;
    this.#received = Buffer.alloc(0);
    for (const entry of this.#pending.splice(0)) {
      clearTimeout(entry.timer);
      entry.reject(reason);
    }
    setTimeout(() => {
      if (this.#address !== undefined && this.#socket === undefined) this.#open();
    }, reconnectMilliseconds);
  }
}

function encode(parts) {
  const chunks = [`*${parts.length}\r\n`];
  for (const part of parts) chunks.push(`$${Buffer.byteLength(String(part))}\r\n${part}\r\n`);
  return chunks.join("");
}

/** The value that starts at `offset` and where it ends; undefined while it is incomplete. */
function decode(buffer, offset) {
  const lineEnd = buffer.indexOf("\r\n", offset);
  if (lineEnd < 0) return undefined;
  const line = buffer.toString("utf8", offset + 1, lineEnd);
  const end = lineEnd + 2;
  switch (String.fromCharCode(buffer[offset])) {
    case "+":
      return { value: line, end };
    case "-":
      return { value: new Error(line), end };
    case ":":
      return { value: Number(line), end };
    case "$":
      return decodeBulk(buffer, end, Number(line));
    case "*":
      return decodeArray(buffer, end, Number(line));
    default:
      return { value: new Error(`not RESP: ${line.slice(0, 40)}`), end: buffer.length };
  }
}

function decodeBulk(buffer, start, length) {
  if (length < 0) return { value: null, end: start };
  const end = start + length + 2;
  return buffer.length < end ? undefined : { value: buffer.toString("utf8", start, start + length), end };
}

function decodeArray(buffer, start, length) {
  const value = [];
  let end = start;
  for (let index = 0; index < length; index++) {
    const item = decode(buffer, end);
    if (item === undefined) return undefined;
    value.push(item.value);
    end = item.end;
  }
  return { value, end };
}
