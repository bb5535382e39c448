import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

import { announceController } from "../../../../components/runtime/console/controllerFile";

const program = resolve(__dirname, "../../../../dist/components/runtime/cli/main.js");

/** A controller that answers a question for a run only once it has been told to. */
class SlowController {
  readonly aborts: unknown[] = [];
  private constructor(private readonly server: Server) {}

  static async start(onAsked: () => Promise<void>): Promise<SlowController> {
    const server = createServer((request, response) => {
      void answer(request).then((body) => response.end(JSON.stringify(body)));
    });
    const controller = new SlowController(server);
    const answer = async (request: IncomingMessage): Promise<unknown> => {
      const said = await text(request);
      if (request.url === "/shadows/shop/runs") await onAsked();
      if (request.url === "/runs/r-1/abort") controller.aborts.push(JSON.parse(said));
      return { id: "r-1" };
    };
    await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
    return controller;
  }

  get address(): string {
    return `127.0.0.1:${(this.server.address() as { port: number }).port}`;
  }

  async stop(): Promise<void> {
    this.server.closeAllConnections();
    await new Promise((done) => this.server.close(done));
  }
}

describe("the command line: a run at the controller", function () {
  this.timeout(60_000);
  let folder: string;

  beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "run-at-controller-"))));
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  /** Interrupts a run when the controller has been asked for it, which then answers or says nothing for ever. */
  const interruptedRun = async (
    answers: boolean,
  ): Promise<{ aborts: unknown[]; code: number | null; said: string }> => {
    const shop = join(folder, "lab", "shop");
    mkdirSync(join(shop, "experiments"), { recursive: true });
    writeFileSync(join(shop, "shadow.json"), JSON.stringify({ topology: {}, fidelity: [] }));
    writeFileSync(join(shop, "experiments", "cut.json"), JSON.stringify({ actions: {} }));
    writeFileSync(join(folder, "token"), "secret");
    const controller = await SlowController.start(async () => {
      command.kill("SIGINT");
      await (answers ? interrupted : new Promise(() => undefined));
    });
    await announceController(folder, {
      address: controller.address,
      tokenFile: join(folder, "token"),
      runsFolder: join(folder, "runs"),
    });
    const env = { ...process.env, SHADOWNET_STATE: folder };
    const command = spawn(process.execPath, [program, "run", "cut", "--network", "shop"], { cwd: folder, env });
    let said = "";
    const interrupted = new Promise<void>((done) => {
      command.on("exit", () => done());
      command.stderr.on("data", (chunk: Buffer) => {
        said += chunk.toString();
        if (said.includes("SIGINT: undoing")) done();
      });
    });
    try {
      const [code] = (await once(command, "close")) as [number | null];
      return { aborts: controller.aborts, code, said };
    } finally {
      command.kill("SIGKILL");
      await controller.stop();
    }
  };

  it("is aborted there when the command is interrupted before the controller has answered", async () => {
    const { aborts, said } = await interruptedRun(true);
    assert.deepEqual(aborts, [{ reason: "interrupted by SIGINT" }], said);
    assert.match(said, /run r-1 at the controller/);
  });

  it("is not waited for without end when the command is interrupted and the controller hangs", async () => {
    const { code, said } = await interruptedRun(false);
    assert.equal(code, 3, said);
    assert.match(said, /the controller \(process \d+\) does not answer/);
  });
});
