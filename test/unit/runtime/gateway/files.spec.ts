import assert from "node:assert/strict";
import { execFileSync, spawnSync } from "node:child_process";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { createServer, type Server } from "node:net";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { checkConfig, type GatewayConfig } from "../../../../components/runtime/gateway/config";
import { runGateway } from "../../../../components/runtime/gateway/gateway";
import { SamplesFile } from "../../../../components/runtime/gateway/samplesFile";

const samplesFile = resolve(__dirname, "../../../../components/runtime/gateway/samplesFile.ts");
const sample = {
  flow: "tcp 10.0.0.1:1>10.0.0.2:80",
  index: 0,
  protocol: "http1",
  live: { start: 1_700_000_000_000 },
  shadow: { start: 1_700_000_000_000 },
  lagMilliseconds: 0,
};

function listening(at: object): Promise<Server> {
  const server = createServer();
  return new Promise((done, failed) => {
    server.on("error", failed);
    server.listen(at, () => done(server));
  });
}

function closed(server: Server): Promise<void> {
  return new Promise((done) => server.close(() => done()));
}

describe("gateway: its files and servers", () => {
  let folder: string;
  const config = (more: Partial<GatewayConfig> = {}): GatewayConfig => ({
    intake: "tcp:127.0.0.1:0",
    stats: join(folder, "stats.json"),
    samples: join(folder, "samples.ndjson"),
    ...more,
  });

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gateway-files-"));
  });

  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  it("leaves nothing open when it cannot begin, and says which server it cannot have", async () => {
    const taken = await listening({ port: 0, host: "127.0.0.1" });
    const { port } = taken.address() as { port: number };
    const free = await listening({ port: 0, host: "127.0.0.1" });
    const intakePort = (free.address() as { port: number }).port;
    await closed(free);
    const broken = config({ intake: `tcp:127.0.0.1:${intakePort}`, metrics: `127.0.0.1:${port}` });
    for (const each of [broken, { ...broken, intake: "vxlan:127.0.0.1:0", workers: 2 }]) {
      await assert.rejects(runGateway(each), { code: "cannot-listen", message: /metrics .*EADDRINUSE/ });
    }
    assert.equal(existsSync(broken.stats), false, "whoever waits for the counters must not take it for begun");
    await closed(taken);
    await closed(await listening({ port: intakePort, host: "127.0.0.1" }));
  });

  it("says where it listens so that port and address can be told apart", async () => {
    for (const kind of ["tcp", "vxlan"]) {
      const gateway = await runGateway(config({ intake: `${kind}:[::1]:0` }));
      assert.match(gateway.intakeAddress, /^\[::1\]:\d+$/);
      await gateway.stop();
    }
  });

  it("takes the place of a control socket that nobody serves, and of nothing else", async () => {
    const control = join(folder, "control");
    writeFileSync(control, "precious");
    await assert.rejects(runGateway(config({ control })), { code: "cannot-listen", message: /is no socket/ });
    assert.equal(readFileSync(control, "utf8"), "precious");
    rmSync(control);
    const first = await runGateway(config({ control }));
    await assert.rejects(runGateway(config({ control })), {
      code: "cannot-listen",
      message: /another process answers/,
    });
    await first.stop();
    const dead = `require("node:net").createServer().listen(${JSON.stringify(control)}, () => process.kill(process.pid, "SIGKILL"))`;
    spawnSync(process.execPath, ["-e", dead]);
    const second = await runGateway(config({ control }));
    await second.stop();
  });

  it("does not begin without the files that it is to write", async () => {
    mkdirSync(join(folder, "taken"));
    writeFileSync(join(folder, "plain"), "");
    for (const place of ["taken", "plain/below"]) {
      for (const name of ["stats", "samples", "record"] as const) {
        const path = join(folder, place);
        await assert.rejects(runGateway(config({ [name]: path })), { code: "cannot-write" }, `${name} ${place}`);
      }
    }
    const pipe = join(folder, "pipe");
    execFileSync("mkfifo", [pipe]);
    await assert.rejects(runGateway(config({ stats: pipe })), { code: "cannot-write", message: /no regular/ });
    assert.ok(statSync(pipe).isFIFO());
  });

  it("leaves every file as it was when it cannot begin, and none that is new", async () => {
    const taken = await listening({ port: 0, host: "127.0.0.1" });
    const { port } = taken.address() as { port: number };
    const record = join(folder, "kept.pcapng");
    const garbage = join(folder, "garbage.pcap");
    writeFileSync(record, "an earlier recording");
    writeFileSync(garbage, "no recording");
    mkdirSync(join(folder, "taken"));
    const recording = (fromFile: string): GatewayConfig => {
      const { intake, ...rest } = config({ fromFile, record });
      assert.ok(intake);
      return rest;
    };
    const before = readdirSync(folder);
    const refused: [GatewayConfig, string][] = [
      [config({ record, intake: `tcp:127.0.0.1:${port}` }), "cannot-listen"],
      [config({ record, metrics: `127.0.0.1:${port}` }), "cannot-listen"],
      [config({ record, metrics: `127.0.0.1:${port}`, intake: "vxlan:127.0.0.1:0", workers: 2 }), "cannot-listen"],
      [config({ record, stats: join(folder, "taken") }), "cannot-write"],
      [config({ record: join(folder, "taken") }), "cannot-write"],
      [recording(join(folder, "missing.pcap")), "bad-capture"],
      [recording(join(folder, "taken")), "bad-capture"],
      [recording(garbage), "bad-capture"],
    ];
    for (const [each, code] of refused) {
      await assert.rejects(runGateway(each), { code });
      assert.deepEqual(readdirSync(folder), before);
      assert.equal(readFileSync(record, "utf8"), "an earlier recording");
    }
    await closed(taken);
    const gateway = await runGateway(config({ record }));
    assert.equal(readFileSync(record).readUInt32LE(0), 0x0a0d0d0a, "it is begun anew before the first packet");
    await gateway.stop();
    assert.equal(statSync(record).size, 48);
  });

  it("refuses to write one file over another", () => {
    const fromFile = join(folder, "in.pcap");
    const record = join(folder, ".", "in.pcap");
    const { intake, ...rest } = config({ fromFile, record });
    assert.ok(intake);
    assert.throws(() => checkConfig(rest), /record: .* is the file of fromFile/);
    assert.throws(
      () => checkConfig(config({ samples: join(folder, "stats.json") })),
      /samples: .* is the file of stats/,
    );
  });

  it("goes on when the disk takes no more samples, and counts them", () => {
    const file = new SamplesFile("/dev/full");
    for (let index = 0; index < 3; index++) file.add({ ...sample, index });
    file.flush();
    file.add(sample);
    file.close();
    assert.equal(file.unwritten, 4);
  });

  it("leaves whole lines in a file of samples that the disk cut short", () => {
    const path = join(folder, "s.ndjson");
    const program = `
      process.on("SIGXFSZ", () => undefined);
      const { SamplesFile } = require(${JSON.stringify(samplesFile)});
      const file = new SamplesFile(${JSON.stringify(path)});
      for (let index = 0; index < 30; index++) file.add({ ...${JSON.stringify(sample)}, index });
      file.close();
      console.log(file.unwritten);`;
    const tsx = require.resolve("tsx/cjs");
    const run = spawnSync("bash", ["-c", 'ulimit -f 1; exec "$0" "$@"', process.execPath, "-r", tsx, "-e", program], {
      encoding: "utf8",
    });
    const lines = readFileSync(path, "utf8").split("\n");
    assert.equal(lines.pop(), "");
    assert.ok(lines.length > 3, run.stderr);
    lines.forEach((line, index) => assert.equal((JSON.parse(line) as { index: number }).index, index));
    assert.equal(Number(run.stdout), 30 - lines.length);
  });
});
