import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { text } from "node:stream/consumers";

import { announceController } from "../../../../components/runtime/console/controllerFile";

const program = resolve(__dirname, "../../../../dist/components/runtime/cli/main.js");

/** What a controller does when it is asked for a run, and when somebody follows that. */
interface Behaviour {
  asked?: () => Promise<void>;
  followed?: (response: ServerResponse) => void;
}

/** A controller whose one run never begins. */
class FakeController {
  readonly aborts: unknown[] = [];
  private constructor(private readonly server: Server) {}

  static async start({ asked, followed }: Behaviour): Promise<FakeController> {
    const server = createServer((request, response) => void answer(request, response));
    const controller = new FakeController(server);
    const answer = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
      const said = await text(request);
      if (request.url === "/shadows/shop/runs") await asked?.();
      if (request.url === "/runs/r-1/abort") controller.aborts.push(JSON.parse(said));
      if (request.url === "/runs/r-1/events" && followed !== undefined) followed(response);
      else if (request.url !== "/runs/r-1/abort" || followed === undefined) {
        response.end(JSON.stringify({ id: "r-1", shadow: "shop", folder: "/runs/r-1" }));
      }
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

  /** Runs an experiment at a controller; intervals of the command are a hundredth of what they are. */
  const runAt = async (
    behave: (command: () => ChildProcess, said: (words: string) => Promise<void>) => Behaviour,
  ): Promise<{ aborts: unknown[]; code: number | null; said: string }> => {
    const shop = join(folder, "lab", "shop");
    mkdirSync(join(shop, "experiments"), { recursive: true });
    writeFileSync(join(shop, "shadow.json"), JSON.stringify({ topology: {}, fidelity: [] }));
    writeFileSync(join(shop, "experiments", "cut.json"), JSON.stringify({ actions: {} }));
    writeFileSync(join(folder, "token"), "secret");
    const preload = join(folder, "preload.mjs");
    writeFileSync(
      preload,
      `const { setInterval: real } = globalThis;
      globalThis.setInterval = (work, milliseconds, ...more) => real(work, milliseconds / 100, ...more);`,
    );
    let words = "";
    const said = async (sought: string): Promise<void> => {
      while (!words.includes(sought)) await once(command.stderr, "data");
    };
    const controller = await FakeController.start(behave(() => command, said));
    await announceController(folder, {
      address: controller.address,
      tokenFile: join(folder, "token"),
      runsFolder: join(folder, "runs"),
    });
    const env = { ...process.env, SHADOWNET_STATE: folder };
    const args = ["--import", preload, program, "run", "cut", "--network", "shop"];
    const command = spawn(process.execPath, args, { cwd: folder, env });
    command.stderr.on("data", (chunk: Buffer) => (words += chunk.toString()));
    try {
      const [code] = (await once(command, "close")) as [number | null];
      return { aborts: controller.aborts, code, said: words };
    } finally {
      command.kill("SIGKILL");
      await controller.stop();
    }
  };

  it("is aborted there when the command is interrupted before the controller has answered", async () => {
    const { aborts, said } = await runAt((command, said) => ({
      asked: async () => {
        command().kill("SIGINT");
        await said("SIGINT: undoing");
      },
    }));
    assert.deepEqual(aborts, [{ reason: "interrupted by SIGINT" }], said);
    assert.match(said, /run r-1 at the controller/);
  });

  it("is not waited for without end when the command is interrupted and the controller hangs", async () => {
    const { code, said } = await runAt((command) => ({
      asked: () => {
        command().kill("SIGINT");
        return new Promise(() => undefined);
      },
    }));
    assert.equal(code, 3, said);
    assert.match(said, /the controller \(process \d+\) does not answer/);
  });

  const hung = /the controller \(process \d+\) has said nothing for 30 s; how run r-1 ends is not known here/;
  const lookAgain = /`shadownet report \/runs\/r-1`.*`shadownet halt --network shop`/;

  it("is given up when the controller hangs before it tells of the run", async () => {
    const { code, said } = await runAt(() => ({ followed: () => undefined }));
    assert.equal(code, 3, said);
    assert.match(said, hung);
    assert.match(said, lookAgain);
  });

  it("is given up when the controller hangs later, also where it was to abort the run", async () => {
    const { aborts, code, said } = await runAt((command) => ({
      followed: (response) => {
        response.write(": still there\n\n");
        command().kill("SIGINT");
      },
    }));
    assert.equal(aborts.length, 1, said);
    assert.equal(code, 3, said);
    assert.match(said, hung);
  });

  it("is followed while the controller says that it is still there, and given up when that ends", async () => {
    const { code, said } = await runAt(() => ({
      followed: (response) => {
        let signs = 0;
        const timer = setInterval(() => {
          response.write(": still there\n\n");
          if (++signs < 40) return;
          clearInterval(timer);
          response.destroy();
        }, 50);
      },
    }));
    assert.equal(code, 3, said);
    assert.match(said, /the controller ended before the run did; how run r-1 ends is not known here/);
    assert.match(said, lookAgain);
  });
});
