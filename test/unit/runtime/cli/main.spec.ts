import { strict as assert } from "node:assert";
import { type ChildProcess, type ChildProcessByStdio, execFileSync, spawn } from "node:child_process";
import { once } from "node:events";
import { closeSync, constants, existsSync, openSync, readFileSync, rmSync, writeFileSync, writeSync } from "node:fs";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";

import { type CommandResult, tryRun } from "../../../../components/internal/exec";
import { until } from "../../../support/captureHarness";

const repository = resolve(__dirname, "../../../..");
const launcher = join(repository, "tools", "bin", "shadownet.mjs");
const program = join(repository, "dist", "components", "runtime", "cli", "main.js");

describe("the command line", function () {
  this.timeout(120_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "shadownet-cli-"));
  });
  after(() => rm(folder, { recursive: true, force: true }));

  const shadownet = (...args: string[]): Promise<CommandResult> =>
    tryRun([process.execPath, launcher, ...args], { cwd: folder, env: { SHADOWNET_STATE: join(folder, "state") } });

  const commands = [
    ["setup"],
    ["doctor"],
    ["production", "up"],
    ["capture", "lab"],
    ["capture", "aws"],
    ["up"],
    ["preview"],
    ["run"],
    ["abort"],
    ["halt"],
    ["serve"],
    ["experiment", "import"],
    ["experiment", "export"],
    ["report"],
    ["analyse"],
    ["calibrate"],
    ["gateway"],
    ["demo"],
    ["down"],
  ];
  for (const command of commands) {
    it(`explains ${command.join(" ")} with an example`, async () => {
      const { code, stdout } = await shadownet(...command, "--help");
      assert.equal(code, 0);
      assert.match(stdout, /Examples?:/);
    });
  }

  it("gives its version", async () => {
    const { code, stdout } = await shadownet("--version");
    assert.equal(code, 0);
    assert.match(stdout, /^\d+\.\d+\.\d+\n$/);
  });

  const refusals: [string, string[], RegExp][] = [
    ["an unknown command", ["runn"], /unknown command.*\n.*run/],
    ["an unknown option", ["run", "--sed", "1"], /unknown option/],
    ["a run where there is no shadow", ["run", "dbLink"], /there is no shadow here/],
    ["a shadow that is not there", ["run", "dbLink", "--network", "nowhere"], /no shadow "nowhere"/],
    ["a report where there is no run", ["report"], /name one run/],
  ];
  for (const [what, args, message] of refusals) {
    it(`refuses ${what} with exit code 2`, async () => {
      const { code, stderr } = await shadownet(...args);
      assert.equal(code, 2, stderr);
      assert.match(stderr, message);
    });
  }

  it("says what went wrong as JSON where asked", async () => {
    const { code, stdout } = await shadownet("run", "dbLink", "--json");
    assert.equal(code, 2);
    assert.equal((JSON.parse(stdout) as { error: { code: string } }).error.code, "which-shadow");
  });

  const beginnings: [string[], string][] = [
    [["gateway", "--intake", "tcp:127.0.0.1:0"], "takes packets in"],
    [["serve", "--address", "127.0.0.1:0"], "listening on"],
  ];
  type Command = ChildProcessByStdio<null, Readable, Readable>;
  /** Begins a command that would go on for ever, does something to it, and waits for the end of its last process. */
  const endOf = async (args: string[], begins: string, disturb: (command: Command) => void): Promise<string> => {
    const env = { ...process.env, SHADOWNET_STATE: join(folder, "state") };
    const stdio: ["ignore", "pipe", "pipe"] = ["ignore", "pipe", "pipe"];
    const command = spawn(process.execPath, [launcher, ...args], { cwd: folder, env, detached: true, stdio });
    let said = "";
    for (const stream of [command.stdout, command.stderr])
      stream.on("data", (chunk: Buffer) => (said += chunk.toString()));
    // Its streams close with the last process that holds them.
    const closed = new Promise((done) => command.on("close", done));
    await until("it has begun", () => said.includes(begins));
    disturb(command);
    const late = new Promise((done) => setTimeout(done, 60_000, "late").unref());
    const isLate = (await Promise.race([closed, late])) === "late";
    if (isLate) process.kill(-command.pid!, "SIGKILL");
    assert.ok(!isLate, said);
    return said;
  };
  const hasEndedInOrder: Record<string, () => void> = {
    gateway: () => assert.match(readFileSync(join(folder, "stats.json"), "utf8"), /"open": ?false/),
    serve: () => assert.ok(!existsSync(join(folder, "state", "controller.json"))),
  };
  for (const [args, begins] of beginnings) {
    it(`ends ${args[0]} in order when its launcher was killed`, async () => {
      const said = await endOf(args, begins, (command) => command.kill("SIGKILL"));
      assert.match(said, /takes no more packets|^stopped$/m);
      hasEndedInOrder[args[0]!]!();
    });

    it(`ends ${args[0]} in order when its terminal is gone`, async () => {
      await endOf(args, begins, (command) => {
        command.stderr.destroy();
        command.kill("SIGHUP");
      });
      hasEndedInOrder[args[0]!]!();
    });
  }

  it("goes on when the disk of its log is full", async () => {
    const full = openSync("/dev/full", "w");
    const stats = join(folder, "full.json");
    const argv = [launcher, "gateway", "--intake", "tcp:127.0.0.1:0", "--stats", stats];
    const command = spawn(process.execPath, argv, { cwd: folder, stdio: ["ignore", "ignore", full] });
    closeSync(full);
    const ended = once(command, "exit");
    await until("it has begun", () => existsSync(stats));
    const first = readFileSync(stats, "utf8");
    await until("it counts on", () => readFileSync(stats, "utf8") !== first);
    assert.match(readFileSync(stats, "utf8"), /"open": ?true/);
    command.kill("SIGTERM");
    assert.deepEqual(await ended, [0, null]);
  });

  it("says that its result cannot be written, and nothing where nobody reads it", async () => {
    const full = openSync("/dev/full", "w");
    for (const [stdout, expected] of [
      [full, /^3 shadownet: the result cannot be written: ENOSPC[^\n]*\n$/],
      ["pipe", /^0 $/],
    ] as const) {
      const command = spawn(process.execPath, [program, "--version"], {
        cwd: folder,
        stdio: ["ignore", stdout, "pipe"],
      });
      command.stdout?.destroy();
      const said = text(command.stderr!);
      const [code] = (await once(command, "exit")) as [number];
      assert.match(`${code} ${await said}`, expected);
    }
    closeSync(full);
  });

  it("ends serve in order when it is told so at the moment at which it says that it listens", async () => {
    const preload = join(folder, "preload.mjs");
    writeFileSync(
      preload,
      `const write = process.stderr.write.bind(process.stderr);
      process.stderr.write = (text, ...more) => {
        const took = write(text, ...more);
        if (String(text).includes("listening on")) process.kill(process.pid, "SIGTERM");
        return took;
      };`,
    );
    const env = { SHADOWNET_STATE: join(folder, "state") };
    const argv = [process.execPath, "--import", preload, program, "serve", "--address", "127.0.0.1:0"];
    const { code, stderr } = await tryRun(argv, { cwd: folder, env });
    assert.equal(code, 0, stderr);
    assert.match(stderr, /^stopped$/m);
    assert.ok(!existsSync(join(folder, "state", "controller.json")));
  });

  describe("whose words nobody reads", () => {
    let unread: number;
    let pipe: string;

    beforeEach(() => {
      pipe = join(folder, "pipe");
      execFileSync("mkfifo", [pipe]);
      unread = openSync(pipe, constants.O_RDWR | constants.O_NONBLOCK);
      fill(unread);
    });
    afterEach(() => {
      closeSync(unread);
      rmSync(pipe);
    });

    const fill = (descriptor: number): void => {
      try {
        for (;;) writeSync(descriptor, ".");
      } catch (error) {
        assert.equal((error as NodeJS.ErrnoException).code, "EAGAIN");
      }
    };
    const exitOf = async (command: ChildProcess): Promise<unknown> => {
      const late = new Promise((done) => setTimeout(done, 60_000, "late").unref());
      const code = await Promise.race([once(command, "exit").then(([status]) => status as unknown), late]);
      command.kill("SIGKILL");
      return code;
    };
    const start = (...args: string[]): ChildProcess => {
      const env = { ...process.env, SHADOWNET_STATE: join(folder, "state") };
      return spawn(process.execPath, [program, ...args], { cwd: folder, env, stdio: ["ignore", "pipe", unread] });
    };

    it("ends all the same", async () => {
      const serve = start("serve", "--address", "127.0.0.1:0");
      const file = join(folder, "state", "controller.json");
      await until("it serves", () => existsSync(file));
      serve.kill("SIGTERM");
      assert.equal(await exitOf(serve), 0);
      assert.ok(!existsSync(file));
    });

    it("keeps the exit code of what it could not do", async () => {
      assert.equal(await exitOf(start("run", "dbLink")), 2);
    });

    it("waits for who reads its result late", async () => {
      const title = "long ".repeat(100_000);
      const provider = {
        ...{ type: "python", module: "chaosk8s.chaosmesh.network.actions", func: "set_loss" },
        arguments: { name: "fault", ns: "shop", label_selectors: "app=web", loss: "2.5", correlation: "25" },
      };
      writeFileSync(
        join(folder, "long.json"),
        JSON.stringify({ title, method: [{ type: "action", name: "lose", provider }] }),
      );
      const command = start("experiment", "import", "long.json", "--target", "lose=app-1");
      await new Promise((done) => setTimeout(done, 8_000));
      const [result, code] = await Promise.all([text(command.stdout!), exitOf(command)]);
      assert.ok(result.includes(title), `${result.length} characters`);
      assert.equal(code, 0);
    });
  });

  it("halts and releases with nothing to halt", async () => {
    assert.equal((await shadownet("halt", "--reason", "drill")).code, 0);
    const doctor = JSON.parse((await shadownet("doctor", "--json")).stdout) as { findings: { detail: string }[] };
    assert.ok(doctor.findings.some(({ detail }) => detail.includes("drill")));
    assert.equal((await shadownet("release")).code, 0);
  });
});
