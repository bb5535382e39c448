import assert from "node:assert/strict";
import { execFileSync, spawn, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { createSocket } from "node:dgram";
import { once } from "node:events";
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { gunzipSync } from "node:zlib";

import { type Architecture, gatewayArchive } from "../../../components/aws/gateway/archive";
import { TcpScript, vxlan } from "../../support/capture";
import { RecordingServer, until } from "../../support/captureHarness";
import { repository } from "../../support/engine";

/** The architecture that this computer has not. */
const foreign: Architecture = process.arch === "arm64" ? "x64" : "arm64";
const machines = {
  arm64: { elf: 0xb7, emulator: "qemu-aarch64", libraries: "/usr/aarch64-linux-gnu" },
  x64: { elf: 0x3e, emulator: "qemu-x86_64", libraries: "/usr/x86_64-linux-gnu" },
};
const machine = machines[foreign];

function skipOutsideCi(test: Mocha.Context, reason: string): void {
  if (process.env.CI === "true") throw new Error(reason);
  test.skip();
}

/** A program of these names on PATH. */
function onPath(...names: string[]): string | undefined {
  const folders = (process.env.PATH ?? "").split(delimiter);
  return names.flatMap((name) => folders.map((folder) => join(folder, name))).find((file) => existsSync(file));
}

describe(`archive of a gateway for ${foreign}, built on ${process.arch}`, function () {
  this.timeout(300_000);
  let base: string;
  let content: string;
  let archive: { file: string; sha256: string };

  before(async function () {
    base = mkdtempSync(join(tmpdir(), "gateway-foreign-"));
    const { status } = spawnSync("npm", ["ping"], { timeout: 60_000 });
    if (status !== 0) skipOutsideCi(this, "npm's registry cannot be reached");
    const project = join(base, "project");
    mkdirSync(project);
    let command = "";
    await assert.rejects(gatewayArchive(foreign, join(base, "refused")), ({ message }: Error) => {
      command = /install it: npm (.*)$/.exec(message)![1]!;
      return true;
    });
    execFileSync("npm", [...command.split(" "), "--no-audit", "--no-fund", "--ignore-scripts"], {
      cwd: project,
      stdio: "pipe",
    });
    symlinkSync(join(repository, "node_modules", "koffi"), join(project, "node_modules", "koffi"));
    archive = await gatewayArchive(foreign, join(base, "archives"), project);
    content = join(base, "release");
    mkdirSync(content);
    execFileSync("tar", ["-xzf", archive.file, "-C", content]);
  });

  after(() => {
    rmSync(base, { recursive: true, force: true });
  });

  it("is made of the packages that its refusal names, under the digest that instances check", () => {
    const bytes = gunzipSync(readFileSync(archive.file));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), archive.sha256);
    const text = `${archive.sha256}  -\n`;
    const checked = spawnSync("sh", ["-c", `gzip -dc "${archive.file}" | sha256sum`]);
    assert.equal(checked.stdout.toString(), text, "as the first boot counts it");
  });

  it("holds programs of that architecture alone", () => {
    const found = readdirSync(content, { recursive: true, encoding: "utf8" }).flatMap((path) => {
      const file = join(content, path);
      const head = path.endsWith("node") ? readFileSync(file).subarray(0, 20) : Buffer.alloc(0);
      return head.subarray(0, 4).toString("latin1") === "\x7fELF" ? [[path, head.readUInt16LE(18)]] : [];
    });
    assert.deepEqual(found.sort(), [
      ["bin/node", machine.elf],
      [`node_modules/@koromix/koffi-linux-${foreign}/linux_${foreign}/koffi.node`, machine.elf],
    ]);
  });

  describe("under an emulator of that architecture", () => {
    let emulator: string[];
    const libraries = process.env.QEMU_LD_PREFIX ?? machine.libraries;

    before(function () {
      const program = onPath(`${machine.emulator}-static`, machine.emulator);
      if (program === undefined || !existsSync(libraries)) {
        skipOutsideCi(this, `there is no ${machine.emulator} with ${libraries}; type: node tools/setup.mjs --tests`);
      }
      emulator = [program!, "-L", libraries, join(content, "bin", "node")];
    });

    const run = (...args: string[]): string =>
      execFileSync(emulator[0]!, [...emulator.slice(1), ...args], { cwd: content, encoding: "utf8" });

    it("starts Node and calls the C library through the compiled part of koffi", () => {
      assert.equal(run("-p", "process.arch").trim(), foreign);
      const program =
        'const koffi = require("koffi"); console.log(koffi.load("libc.so.6").func("int abs(int)")(-7), process.version)';
      const manifest = JSON.parse(readFileSync(join(repository, "package.json"), "utf8")) as {
        optionalDependencies: Record<string, string>;
      };
      assert.equal(run("-e", program).trim(), `7 v${manifest.optionalDependencies[`node-linux-${foreign}`]!}`);
    });

    it("replays a mirrored request", async () => {
      const response = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n";
      const shadow = await RecordingServer.start((socket) => socket.write(response));
      const port = await freePort();
      const request = "GET /from-afar HTTP/1.1\r\nHost: shop\r\n\r\n";
      const { frames } = new TcpScript({ address: "203.0.113.9", port: 40_000 }, { address: "10.0.0.2", port: 80 })
        .handshake()
        .say(true, request)
        .say(false, response)
        .close();
      const config = {
        intake: `vxlan:127.0.0.1:${port}`,
        to: { "10.0.0.2:80": `127.0.0.1:${shadow.port}` },
        stats: join(base, "stats.json"),
        samples: join(base, "samples.ndjson"),
      };
      writeFileSync(join(base, "config.json"), JSON.stringify(config));
      const program = [join(content, "gateway.js"), join(base, "config.json")];
      const gateway = spawn(emulator[0]!, [...emulator.slice(1), ...program]);
      let said = "";
      gateway.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
      try {
        await until("the gateway runs", () => existsSync(config.stats) || gateway.exitCode !== null, 60_000);
        const socket = createSocket("udp4");
        for (const frame of frames) socket.send(vxlan(frame), port, "127.0.0.1");
        await until("the request is replayed", () => shadow.received.length > 0 || gateway.exitCode !== null, 60_000);
        await until("all of it is there", () => shadow.received[0]!.length >= request.length);
        socket.close();
        assert.equal(shadow.received[0]!.toString(), request);
      } catch (error) {
        throw new Error(`${(error as Error).message}; the gateway said: ${said}`, { cause: error });
      } finally {
        const ended = once(gateway, "exit");
        gateway.kill("SIGTERM");
        await ended;
        await shadow.stop();
      }
    });
  });
});

/** A port on which nobody listens now. */
async function freePort(): Promise<number> {
  const socket = createSocket("udp4").bind(0, "127.0.0.1");
  await once(socket, "listening");
  const { port } = socket.address();
  socket.close();
  return port;
}
