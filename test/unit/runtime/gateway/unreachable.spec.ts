import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { connect, type Socket } from "node:net";

import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const flowsEach = 5;
const requestsEach = 15;
const bodyBytes = 20_000;
const bytesPerFlow = 200_000;

/** A port whose queue of connections is full and stays so, so that the kernel answers no SYN to it. */
class SilentPort {
  private constructor(
    readonly port: number,
    private readonly owner: ChildProcess,
    private readonly fillers: readonly Socket[],
  ) {}

  static async open(): Promise<SilentPort> {
    const listen = `const s = require("node:net").createServer(); s.listen({ port: 0, host: "127.0.0.1", backlog: 1 }, () => console.log(s.address().port))`;
    const owner = spawn(process.execPath, ["-e", listen], { stdio: ["ignore", "pipe", "inherit"] });
    const [line] = (await once(owner.stdout, "data")) as [Buffer];
    owner.kill("SIGSTOP");
    const port = Number(line.toString());
    const fillers: Socket[] = [];
    for (let connected = true; connected && fillers.length < 20;) {
      const socket = connect(port, "127.0.0.1").on("error", () => undefined);
      fillers.push(socket);
      connected = await Promise.race([
        once(socket, "connect").then(() => true),
        new Promise<boolean>((resolve) => setTimeout(() => resolve(false), 500)),
      ]);
    }
    assert.ok(fillers.at(-1)!.connecting, "the queue is full");
    return new SilentPort(port, owner, fillers);
  }

  async close(): Promise<void> {
    for (const socket of this.fillers) socket.destroy();
    this.owner.kill("SIGKILL");
    await once(this.owner, "exit");
  }
}

describe("gateway: a shadow that cannot be reached and does not say so", () => {
  it("lets requests time out one after another, and a flow recovers on a new connection when it is there", async () => {
    const silent = await SilentPort.open();
    const harness = await GatewayHarness.start({
      to: { "10.9.0.2:80": `127.0.0.1:${silent.port}` },
      responseTimeoutSeconds: 1,
    });
    const script = new TcpScript({ address: "10.8.0.1", port: 46_000 }, { address: "10.9.0.2", port: 80 }).handshake();
    const ask = async (): Promise<void> => {
      script.say(true, "GET / HTTP/1.1\r\n\r\n").acknowledge(false).say(false, ok).acknowledge(true);
      await harness.send(script.frames.splice(0));
    };
    await ask();
    await ask();
    await until("both have timed out", () => harness.samples().length === 2);
    await silent.close();
    const shadow = await RecordingServer.start((socket) => socket.write(ok), silent.port);
    await ask();
    await until("the third is answered", () => harness.samples().length === 3);
    const { requests, flows } = await harness.stop();
    assert.deepEqual([requests.onWire, requests.answered, requests.failed], [3, 1, { timeout: 2 }]);
    assert.equal(flows.heldBytes, 0);
    harness.remove();
    await shadow.stop();
  });

  it("gets what waited for its connection as long as that is not too late, and each answer goes to its own request", async () => {
    const silent = await SilentPort.open();
    const harness = await GatewayHarness.start({
      to: { "10.9.0.2:80": `127.0.0.1:${silent.port}` },
      limits: { maximumLagMilliseconds: 1_700 },
    });
    const script = new TcpScript({ address: "10.8.0.1", port: 46_000 }, { address: "10.9.0.2", port: 80 }).handshake();
    const ask = async (from: number, to: number): Promise<void> => {
      for (let number = from; number <= to; number++) {
        script.say(true, `GET /${number} HTTP/1.1\r\n\r\n`).acknowledge(false);
        script.say(false, answerTo(number)).acknowledge(true);
      }
      await harness.send(script.frames.splice(0));
    };
    await ask(1, 2);
    await new Promise((done) => setTimeout(done, 1_600));
    await ask(3, 7);
    await silent.close();
    const shadow = await RecordingServer.start((socket, _, fresh) => {
      for (const [, number] of fresh.toString().matchAll(/GET \/(\d+) /g)) socket.write(answerTo(Number(number)));
    }, silent.port);
    await until("all are settled", () => harness.samples().length === 7);
    await ask(8, 8);
    await until("the last is answered", () => harness.samples().length === 8);
    const { requests, compare } = await harness.stop();
    assert.deepEqual([requests.replayed, requests.failed, requests.shed], [8, { timeout: 2 }, {}]);
    assert.deepEqual([compare.equal, compare.different], [6, 0]);
    assert.doesNotMatch(Buffer.concat(shadow.received).toString(), /GET \/[12] /);
    harness.remove();
    await shadow.stop();
  });

  it("slows no other, holds no more than a flow may, and every request is counted", async function () {
    this.timeout(90_000);
    const silent = await SilentPort.open();
    const shadow = await RecordingServer.start((socket, all) => {
      const whole = Math.floor(all.length / (bodyBytes + head("x").length));
      for (; answered.get(socket)! < whole; answered.set(socket, answered.get(socket)! + 1)) socket.write(ok);
    });
    const answered = new Map<Socket, number>();
    shadow.server.prependListener("connection", (socket) => answered.set(socket, 0));
    const harness = await GatewayHarness.start({
      to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}`, "10.9.0.2:80": `127.0.0.1:${silent.port}` },
      responseTimeoutSeconds: 3,
      limits: { bytesPerFlow, maximumLagMilliseconds: 60_000 },
    });
    const scripts = Array.from({ length: 2 * flowsEach }, (_, index) => {
      const server = { address: `10.9.0.${1 + (index % 2)}`, port: 80 };
      return new TcpScript({ address: "10.8.0.1", port: 46_000 + index }, server).handshake();
    });
    let most = 0;
    for (let request = 0; request < requestsEach; request++) {
      for (const script of scripts) {
        script.say(true, head("x") + "x".repeat(bodyBytes)).acknowledge(false);
        await harness.send(script.say(false, ok).acknowledge(true).frames.splice(0));
        most = Math.max(most, harness.gateway.snapshot().flows.heldBytes);
      }
    }
    const good = (): number =>
      harness.samples().filter(({ flow, equal }) => flow.endsWith(">10.9.0.1:80") && equal === true).length;
    await until("the shadow that is there has answered all", () => good() === flowsEach * requestsEach);
    const atBound = harness.gateway.snapshot();
    assert.deepEqual(atBound.flows.shed, { bytesPerFlow: flowsEach });
    assert.ok(most > bytesPerFlow, "requests were held");
    assert.ok(most <= flowsEach * bytesPerFlow + 2 * bodyBytes, `held ${most}`);
    await until("nothing is held any more", () => harness.gateway.snapshot().flows.heldBytes === 0);
    const { requests } = await harness.stop();
    assert.equal(requests.onWire, scripts.length * requestsEach);
    assert.equal(requests.answered, flowsEach * requestsEach);
    const shed = requests.shed["bytesPerFlow"] ?? 0;
    const failed = requests.failed["timeout"] ?? 0;
    assert.equal(shed + failed, flowsEach * requestsEach, JSON.stringify(requests));
    harness.remove();
    await shadow.stop();
    await silent.close();
  });
});

function answerTo(number: number): string {
  return `HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\n${number}`;
}

function head(path: string): string {
  return `POST /${path} HTTP/1.1\r\nContent-Length: ${bodyBytes}\r\n\r\n`;
}
