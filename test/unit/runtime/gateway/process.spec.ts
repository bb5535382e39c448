import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { createSocket } from "node:dgram";
import { closeSync, existsSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { request } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { Command } from "commander";

import { addGatewayOptions, gatewayConfig } from "../../../../components/runtime/gateway/cliOptions";
import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { CaptureWriter } from "../../../../components/runtime/gateway/intake/captureWriter";
import { gatewayStatsJsonSchema, gatewayStatsSchema } from "../../../../components/runtime/gateway/statsSchema";
import { TcpScript, vxlan } from "../../../support/capture";
import { freeDatagramPort, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
const main = resolve(__dirname, "../../../../components/runtime/gateway/main.ts");

function flow(port: number): Buffer[] {
  const script = new TcpScript({ address: "10.8.0.1", port }, { address: "10.9.0.1", port: 80 }).handshake();
  return script.say(true, `GET /${port} HTTP/1.1\r\n\r\n`).say(false, ok).close().frames;
}

function put(socketPath: string, body: string): Promise<number | undefined> {
  return new Promise((done, failed) => {
    const call = request({ socketPath, path: "/intake", method: "PUT" }, (response) => {
      response.resume();
      response.on("end", () => done(response.statusCode));
    });
    call.on("error", failed);
    call.end(body);
  });
}

describe("gateway: as a process", () => {
  let folder: string;
  let shadow: RecordingServer;

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-process-"));
    shadow = await RecordingServer.start((socket) => socket.write(ok));
  });

  afterEach(async () => {
    rmSync(folder, { recursive: true, force: true });
    await shadow.stop();
  });

  it("opens on command, reloads on SIGHUP, drains on SIGTERM and leaves its last counters", async function () {
    this.timeout(60_000);
    const port = await freeDatagramPort();
    const config = {
      intake: `vxlan:127.0.0.1:${port}`,
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
      control: join(folder, "control.sock"),
      startClosed: true,
    };
    const file = join(folder, "config.json");
    writeFileSync(file, JSON.stringify(config));
    const child = spawn(process.execPath, ["--import", "tsx", main, file], { stdio: ["ignore", "inherit", "pipe"] });
    let complaints = "";
    child.stderr.on("data", (bytes: Buffer) => (complaints += bytes.toString()));
    const ended = new Promise<number | null>((done) => child.on("exit", done));
    try {
      await until("the control socket is there", () => existsSync(config.control));
      await until("statistics are there", () => existsSync(config.stats));
      assert.equal(await put(config.control, "nonsense"), 400);
      assert.equal(await put(config.control, '{"open":true}'), 200);
      const sender = createSocket("udp4");
      const send = async (frames: Buffer[]): Promise<void> => {
        for (const frame of frames) {
          await new Promise((done) => sender.send(vxlan(frame), port, "127.0.0.1", done));
        }
      };
      await send(flow(1111));
      await until("the first request arrived", () => shadow.received.length === 1);
      writeFileSync(file, JSON.stringify({ ...config, percent: 400 }));
      child.kill("SIGHUP");
      await until("it refuses what it is told", () => /^not reloaded: [^]*percent: 400/.test(complaints));
      await send(flow(1112));
      await until("it goes on as before", () => shadow.received.length === 2);
      writeFileSync(file, JSON.stringify({ ...config, percent: 0 }));
      child.kill("SIGHUP");
      let tried = 2000;
      const stats = (): ReturnType<typeof gatewayStatsSchema.parse> =>
        gatewayStatsSchema.parse(JSON.parse(readFileSync(config.stats, "utf8")));
      while (stats().selection.flowsSampledOut === 0) {
        await send(flow(tried++));
        await new Promise((done) => setTimeout(done, 100));
      }
      sender.close();
      child.kill("SIGTERM");
      assert.equal(await ended, 0);
      const last = stats();
      assert.equal(last.intake.open, false);
      assert.equal(last.requests.onWire, last.requests.replayed);
      assert.equal(last.requests.answered, shadow.received.length);
      assert.equal(readFileSync(config.samples, "utf8").trim().split("\n").length, last.requests.replayed);
    } finally {
      child.kill("SIGKILL");
    }
  });

  it("carries on when what it says cannot be written", async function () {
    this.timeout(60_000);
    const file = join(folder, "config.json");
    const stats = join(folder, "stats.json");
    const config = { intake: "tcp:127.0.0.1:0", stats, samples: join(folder, "samples.ndjson") };
    writeFileSync(file, JSON.stringify(config));
    const full = openSync("/dev/full", "w");
    const stdio: ["ignore", "ignore", number] = ["ignore", "ignore", full];
    const child = spawn(process.execPath, ["--import", "tsx", main, file], { stdio });
    closeSync(full);
    const ended = new Promise<number | null>((done) => child.on("exit", done));
    await until("it has begun", () => existsSync(stats));
    writeFileSync(file, "{");
    child.kill("SIGHUP");
    const before = readFileSync(stats, "utf8");
    await until("it counts on", () => readFileSync(stats, "utf8") !== before || child.exitCode !== null);
    child.kill("SIGTERM");
    assert.equal(await ended, 0);
  });

  it("ends with what is wrong with its configuration", async function () {
    this.timeout(60_000);
    const run = (name: string, content: string): Promise<string> => {
      const file = join(folder, name);
      writeFileSync(file, content);
      const child = spawn(process.execPath, ["--import", "tsx", main, file], { stdio: ["ignore", "inherit", "pipe"] });
      let said = "";
      child.stderr.on("data", (bytes: Buffer) => (said += bytes.toString()));
      return new Promise((done) => child.on("close", (code) => done(`${code} ${said}`)));
    };
    assert.match(await run("broken.json", "{"), /^2 [^]*broken.json: [^]*JSON/);
    assert.match(await run("wrong.json", '{"percent": 400, "bogus": 1}'), /^2 [^]*percent: 400[^]*bogus: is not known/);
  });

  it("replays a recording to its end, keeps one of its own, and that one replays the same", async function () {
    this.timeout(30_000);
    const writer = new CaptureWriter(join(folder, "in.pcapng"));
    [...flow(1), ...flow(2), ...flow(3)].forEach((frame, index) => writer.write(frame, 1_700_000_000_000 + index * 2));
    await writer.close();
    const base = {
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` },
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
    };
    const first = await runGateway({
      ...base,
      fromFile: join(folder, "in.pcapng"),
      record: join(folder, "out.pcapng"),
    });
    await first.finished;
    assert.equal((await first.stop()).requests.answered, 3);
    const second = await runGateway({ ...base, fromFile: join(folder, "out.pcapng"), speed: 0 });
    await second.finished;
    assert.equal((await second.stop()).requests.answered, 3);
    const heads = shadow.received.map((bytes) => bytes.toString("latin1").split(" ")[1]).sort();
    assert.deepEqual(heads, ["/1", "/1", "/2", "/2", "/3", "/3"]);
  });

  it("publishes the schema of its counters as they are", () => {
    const published = readFileSync(resolve(__dirname, "../../../../docs/gateway-stats.schema.json"), "utf8");
    assert.deepEqual(JSON.parse(published), gatewayStatsJsonSchema());
  });

  it("reads its options and names everything that is wrong with them at once", () => {
    const read = (...args: string[]): unknown => {
      const command = addGatewayOptions(new Command()).exitOverride();
      command.parse(args, { from: "user" });
      return gatewayConfig(command.opts());
    };
    const line =
      "--intake vxlan:127.0.0.1:4789 --to 10.0.0.5:80=127.0.0.1:90 --percent 12.5 --seed 7 --sample-by client";
    assert.deepEqual(read(...line.split(" "), "--include", "destination=10.0.0.0/8,dport=80+8000-8010,protocol=tcp"), {
      intake: "vxlan:127.0.0.1:4789",
      to: { "10.0.0.5:80": "127.0.0.1:90" },
      percent: 12.5,
      seed: 7,
      sampleBy: "client",
      include: [{ destinationCidr: "10.0.0.0/8", destinationPorts: ["80", "8000-8010"], protocol: "tcp" }],
      stats: "stats.json",
      samples: "samples.ndjson",
    });
    const excluded = read("--intake", "vxlan:127.0.0.1:1", "--exclude", "dport=443,servername=*.example.com");
    assert.deepEqual((excluded as { exclude: unknown }).exclude, [
      { destinationPorts: ["443"], serverName: "*.example.com" },
    ]);
    assert.throws(
      () => read("--intake", "vxlan:127.0.0.1:1", "--include", "servername=a_b..c"),
      /serverName: "a_b..c"/,
    );
    assert.throws(() => read("--percent", "abc", "--to", "x"), /--to: "x" is not[^]*--percent: "abc" is no number/);
    const both = ["--to", "x", "--percent", "400", "--intake", "vxlan:1.2.3", "--include", "x=1"];
    assert.throws(
      () => read(...both),
      /: 4 problems[^]*--to: [^]*--include: [^]*percent: 400 is not[^]*intake: "vxlan:1.2.3"/,
    );
    assert.throws(
      () => read("--speed", "x", "--intake", "vxlan:127.0.0.1:4789"),
      /: 1 problem\n/,
      "nothing is said twice",
    );
    assert.throws(() => read("--intake", "foo:1", "--percent", "101"), /percent[^]*100/);
    const wrong = "bogus=1,dport=0,payload=zz,offset=x,protocol=udp,application=ssh,constructor=1,dport=7";
    assert.throws(
      () => read("--intake", "tcp:127.0.0.1:1", "--include", wrong, "--include", "offset=5", "--percent", "0.00001"),
      ({ message }: Error) => {
        const parts = [
          ...["bogus=1", "constructor=1", "dport is given twice", "join ports", '"0" is no port', '"zz" is not'],
          ...['"x" is not a whole', "ssh.* is looked for in TCP alone", "without payloadHex", "smallest share, 0.0001"],
        ];
        for (const part of parts) assert.match(message, new RegExp(part));
        return message.includes(": 9 problems");
      },
    );
    assert.throws(() => read("--intake", "tcp:127.0.0.1:1", "--vni", "7"), /vni: frames over TCP have no network/);
    assert.throws(() => read("--intake", "foo:1", "--include", "application=reds"), /intake[^]*did you mean "redis"/);
    assert.throws(
      () => read("--intake", "tcp:127.0.0.1:1", "--to", "10.0.0.5:80=127.0.0.1:1", "--to", "10.0.0.5:80=127.0.0.1:2"),
      /: 1 problem\n[^]*--to: "10.0.0.5:80" is given twice/,
    );
  });

  it("refuses a second value of an option that has one, and leaves those that may be repeated", () => {
    const read = (...args: string[]): unknown => {
      const command = addGatewayOptions(new Command())
        .exitOverride()
        .configureOutput({ writeErr: () => undefined });
      command.parse(["--intake", "vxlan:127.0.0.1:4789", ...args], { from: "user" });
      return gatewayConfig(command.opts());
    };
    for (const [option, value] of [
      ["--intake", "geneve:127.0.0.1:6081"],
      ["--vni", "2"],
      ["--stats", "b.json"],
    ] as const) {
      assert.throws(() => read(option, value, option, value), new RegExp(`${option} .*this is the second`));
    }
    const repeated = read("--exclude", "dport=22", "--exclude", "dport=23", "--start-closed", "--control", "c");
    assert.equal((repeated as { exclude: unknown[] }).exclude.length, 2);
  });

  it("reads its bounds from its options, and names those that it does not have", () => {
    const read = (...args: string[]): unknown => {
      const command = addGatewayOptions(new Command()).exitOverride();
      command.parse(["--intake", "vxlan:127.0.0.1:4789", ...args], { from: "user" });
      return gatewayConfig(command.opts()).limits;
    };
    assert.equal(read(), undefined);
    assert.deepEqual(read("--limit", "flows=200", "--limit", "holeTimeoutMilliseconds=0.5"), {
      flows: 200,
      holeTimeoutMilliseconds: 0.5,
    });
    const wrong = ["flows", "flows=x", "flows=", "=5", "totalBytes=1", "totalBytes=2"];
    assert.throws(
      () => read(...wrong.flatMap((item) => ["--limit", item])),
      /: 5 problems[^]*"flows" is not NAME=VALUE[^]*"flows=x"[^]*"flows="[^]*"=5"[^]*"totalBytes" is given twice/,
    );
    assert.throws(
      () => read("--limit", "flow=5", "--limit", "bytesPerFlow=0", "--limit", "overtakingMilliseconds=Infinity"),
      /: 3 problems[^]*limits.flow: is not known; did you mean "flows"[^]*bytesPerFlow: 0 is not a whole[^]*Infinity is not a number above 0 and up to 86400000/,
    );
    assert.throws(() => read("--limit", "__proto__=5"), /limits.__proto__: is not known/);
  });

  it("reads from its options what it changes in requests, and changes nothing without them", () => {
    const read = (...args: string[]): unknown => {
      const command = addGatewayOptions(new Command()).exitOverride();
      command.parse(["--intake", "vxlan:127.0.0.1:4789", ...args], { from: "user" });
      return gatewayConfig(command.opts()).hooks;
    };
    assert.equal(read(), undefined);
    const headers = ["--set-header", "Host=shadow.example", "--set-header", "X-Query=a=b"];
    assert.deepEqual(read(...headers), { setHeaders: { Host: "shadow.example", "X-Query": "a=b" } });
    assert.deepEqual(read("--set-header", "X-Empty="), { setHeaders: { "X-Empty": "" } });
    assert.deepEqual(read("--substitute-tokens"), { substituteTokens: true });
    assert.deepEqual(read(...headers, "--idempotency-suffix=-shadow", "--substitute-tokens"), {
      setHeaders: { Host: "shadow.example", "X-Query": "a=b" },
      idempotencySuffix: "-shadow",
      substituteTokens: true,
    });
    assert.throws(
      () => read("--set-header", "none", "--set-header", "=x", "--set-header", "A=1", "--set-header", "A=2"),
      /: 3 problems[^]*"none" is not NAME=VALUE[^]*"=x" is not NAME=VALUE[^]*"A" is given twice/,
    );
  });
});
