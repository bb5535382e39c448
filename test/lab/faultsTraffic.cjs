// Sends and counts packets inside a network namespace: node faultsTraffic.cjs MODE FAMILY ADDRESS PORT COUNT [RATE] [SIZE]
const { createSocket } = require("node:dgram");
const { connect, createServer } = require("node:net");
const [mode, family, address, port, count = "0", rate = "5000", size = "200"] = process.argv.slice(2);

const modes = { receive, send, serve, load, echo, roundTrips };
modes[mode]();

function say(value) {
  console.log(JSON.stringify(value));
}

function socket() {
  return createSocket({ type: family === "6" ? "udp6" : "udp4", recvBufferSize: 4 << 20 });
}

function message(sequence) {
  const buffer = Buffer.alloc(Number(size), sequence & 0xff);
  buffer.writeUInt32BE(sequence, 0);
  buffer.writeUInt32BE(sequence, buffer.length - 4);
  return buffer;
}

/** Counts what arrives until nothing has come for a second after the first, or a line on stdin. */
function receive() {
  const seen = new Set();
  const counts = { received: 0, wrong: 0, duplicates: 0, overtaken: 0 };
  let highest = -1;
  socket()
    .on("message", (buffer) => {
      const sequence = buffer.readUInt32BE(0);
      counts.received++;
      const last = buffer.readUInt32BE(buffer.length - 4);
      if (!buffer.subarray(4, -4).every((byte) => byte === (last & 0xff)) || sequence !== last) counts.wrong++;
      if (seen.has(sequence)) counts.duplicates++;
      else if (sequence < highest) counts.overtaken++;
      seen.add(sequence);
      highest = Math.max(highest, sequence);
    })
    .bind(Number(port), address, () => say({ ready: true }));
  process.stdin.once("data", () => {
    say(counts);
    process.exit();
  });
}

async function send() {
  const sender = socket();
  const start = performance.now();
  for (let sequence = 0; sequence < Number(count);) {
    const due = Math.min(Number(count), Math.ceil(((performance.now() - start) / 1000) * Number(rate)) + 1);
    for (; sequence < due; sequence++) sender.send(message(sequence), Number(port), address);
    await new Promise((resolve) => setTimeout(resolve, 2));
  }
  setTimeout(() => process.exit(), 100);
}

/** Takes connections and counts the bytes and those that are not zero. */
function serve() {
  const counts = { bytes: 0, wrong: 0, milliseconds: 0, connections: 0 };
  let first;
  createServer((connection) => {
    counts.connections++;
    connection.on("error", () => undefined);
    connection.on("data", (chunk) => {
      first ??= performance.now();
      counts.bytes += chunk.length;
      for (const byte of chunk) if (byte !== 0) counts.wrong++;
      counts.milliseconds = performance.now() - first;
    });
  }).listen(Number(port), address, () => say({ ready: true }));
  process.stdin.once("data", () => {
    say(counts);
    process.exit();
  });
}

/** Sends COUNT zero bytes over one connection, and says how it ended. */
function load() {
  const start = performance.now();
  const connection = connect(Number(port), address);
  connection.setTimeout(Number(rate), () => finish("timeout"));
  const finish = (ended) => {
    say({ ended, milliseconds: performance.now() - start });
    process.exit();
  };
  connection.on("error", (error) => finish(error.code));
  connection.on("connect", () =>
    Number(count) === 0 ? finish("connected") : connection.end(Buffer.alloc(Number(count))),
  );
  connection.on("close", () => finish("closed"));
}

/** Milliseconds of a clock that all processes of a host share. */
function hostClock() {
  return Number(process.hrtime.bigint()) / 1e6;
}

/** Sends back what comes, with the time at which it came. */
function echo() {
  const server = socket();
  server.on("message", (buffer, from) => {
    buffer.writeDoubleLE(hostClock(), 8);
    server.send(buffer, from.port, from.address);
  });
  server.bind(Number(port), address, () => say({ ready: true }));
}

/** Round-trip times of COUNT messages at RATE per second, and how long the way there and the way back took. */
async function roundTrips() {
  const sender = socket();
  const sent = [];
  const times = [];
  const there = [];
  const back = [];
  sender.on("message", (buffer) => {
    const [began, turned, ended] = [sent[buffer.readUInt32BE(0)], buffer.readDoubleLE(8), hostClock()];
    times.push(ended - began);
    there.push(turned - began);
    back.push(ended - turned);
  });
  const start = performance.now();
  for (let sequence = 0; sequence < Number(count);) {
    const due = Math.min(Number(count), Math.ceil(((performance.now() - start) / 1000) * Number(rate)));
    for (; sequence < due; sequence++) {
      sent.push(hostClock());
      sender.send(message(sequence), Number(port), address);
    }
    await new Promise((resolve) => setTimeout(resolve, 1));
  }
  const end = performance.now() + 3000;
  while (times.length < Number(count) && performance.now() < end)
    await new Promise((resolve) => setTimeout(resolve, 10));
  const sorted = (values) => values.sort((a, b) => a - b);
  sorted(times);
  const at = (share, values = times) => values[Math.min(values.length - 1, Math.floor(share * values.length))] ?? null;
  const ways = { there01: at(0.01, sorted(there)), back01: at(0.01, sorted(back)) };
  say({ received: times.length, p01: at(0.01), p50: at(0.5), p95: at(0.95), p99: at(0.99), ...ways });
  process.exit();
}
