import assert from "node:assert/strict";
import { chmodSync, existsSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { ProblemsError } from "../../../../components/internal/problems";
import { parseListenAddress, readOrMakeToken } from "../../../../components/runtime/console/access";
import { ControllerClient } from "../../../../components/runtime/console/client";
import { runningController } from "../../../../components/runtime/console/controllerFile";
import { History } from "../../../../components/runtime/console/history";
import { signOfLifeMilliseconds } from "../../../../components/runtime/console/runStream";
import { type Serving, serve } from "../../../../components/runtime/console/serve";
import type { RunProgress } from "../../../../components/runtime/runner/progress";
import { ConsoleBench, eventually, longOne, slowApp } from "./support";

describe("serving", () => {
  let bench: ConsoleBench;
  let serving: Serving | undefined;

  beforeEach(() => {
    bench = new ConsoleBench();
  });

  afterEach(async () => {
    await serving?.close("the test is over");
    serving = undefined;
    await bench.remove();
  });

  async function begin(): Promise<Serving> {
    const { backEnd, stateFolder, clock, root } = bench;
    serving = await serve({
      backEnd,
      stateFolder,
      clock,
      runsFolder: join(root, "runs"),
      versions: {},
      version: "1.2.3",
      tokenFile: join(stateFolder, "controller.token"),
      address: { host: "127.0.0.1", port: 0 },
    });
    return serving;
  }

  it("lets the command line find it, start a run, follow it, and learn of every problem", async () => {
    const { address } = await begin();
    const record = await runningController(bench.stateFolder);
    assert.equal(record?.address, address);
    assert.equal(statSync(join(bench.stateFolder, "controller.json")).mode & 0o777, 0o600);
    const client = new ControllerClient(record);
    const run = await client.startRun("shop", { experiments: ["slowApp"], definitions: {}, seed: 3 });
    const progress: RunProgress[] = [];
    const last = await client.follow(run, (step) => progress.push(step));
    assert.equal(last.status, "completed");
    assert.ok(existsSync(join(last.folder, "report.html")));
    assert.ok(progress.some(({ activeFaults }) => activeFaults.includes("slow")));
    const bad = { actions: { a: { fault: "latncy", durationSeconds: -1 } } };
    await assert.rejects(client.startRun("shop", { experiments: [], definitions: { bad }, seed: 1 }), (error) => {
      assert.ok(error instanceof ProblemsError);
      assert.ok(error.problems.length >= 2);
      return true;
    });
    await assert.rejects(client.run("nothing"), { code: "no-such-run" });
  });

  it("is one per state folder, and gone from it when it ended", async () => {
    await begin();
    await assert.rejects(begin(), { code: "already-serving" });
    await serving!.close("enough");
    assert.equal(await runningController(bench.stateFolder), undefined);
    writeFileSync(join(bench.stateFolder, "controller.json"), JSON.stringify({ pid: 2 ** 22 + 1, host: "x" }));
    assert.ok((await runningController(bench.stateFolder)) !== undefined, "another host's cannot be asked");
  });

  it("undoes every fault when it ends, and the journal says why", async () => {
    await begin();
    const client = new ControllerClient((await runningController(bench.stateFolder))!);
    const definitions = { mine: longOne };
    const run = await client.startRun("shop", { experiments: [], definitions, seed: 1 });
    await eventually("the fault", () => bench.drivers.some(({ active }) => active.size > 0));
    await serving!.close("interrupted by SIGTERM");
    assert.ok(bench.drivers.every(({ active }) => active.size === 0));
    const journal = JSON.parse(readFileSync(join(run.folder, "journal.json"), "utf8")) as Record<string, string>;
    assert.equal(journal["status"], "interrupted");
    assert.match(journal["statusReason"]!, /SIGTERM/);
  });

  it("tells whoever follows a run that it is still there", async () => {
    const { address } = await begin();
    const client = new ControllerClient((await runningController(bench.stateFolder))!);
    const { id } = await client.startRun("shop", { experiments: ["longOne"], definitions: {}, seed: 1 });
    const authorization = `Bearer ${readFileSync(join(bench.stateFolder, "controller.token"), "utf8").trim()}`;
    const { setInterval: every } = globalThis;
    const sooner = (work: () => void, milliseconds: number): NodeJS.Timeout =>
      every(work, milliseconds === signOfLifeMilliseconds ? 50 : milliseconds);
    globalThis.setInterval = sooner as typeof setInterval;
    try {
      const { body } = await fetch(`http://${address}/runs/${id}/events`, { headers: { authorization } });
      let said = "";
      for await (const chunk of body!.pipeThrough(new TextDecoderStream())) {
        said += chunk;
        if (said.includes(": still there\n\n")) break;
      }
      assert.match(said, /^: still there$/m);
    } finally {
      globalThis.setInterval = every;
    }
  });

  it("aborts a run for the command line", async () => {
    await begin();
    const client = new ControllerClient((await runningController(bench.stateFolder))!);
    const run = await client.startRun("shop", { experiments: ["longOne"], definitions: { more: slowApp }, seed: 1 });
    const following = client.follow(run, () => undefined);
    const { status } = await client.abort(run.id, "enough");
    assert.equal((await following).status, status);
  });
});

describe("the controller's token", () => {
  it("is made once, for its owner alone, and refused when others may read it or it is too short", async () => {
    const bench = new ConsoleBench();
    const file = join(bench.stateFolder, "controller.token");
    const token = await readOrMakeToken(file);
    assert.match(token, /^[\w-]{43}$/);
    assert.equal(statSync(file).mode & 0o777, 0o600);
    assert.equal(await readOrMakeToken(file), token);
    chmodSync(file, 0o640);
    await assert.rejects(readOrMakeToken(file), { code: "token-not-private" });
    chmodSync(file, 0o600);
    writeFileSync(file, "short");
    await assert.rejects(readOrMakeToken(file), { code: "bad-token-file" });
    await bench.remove();
  });
});

describe("the controller's address", () => {
  it("is loopback, in the form of an address and a port", () => {
    assert.deepEqual(parseListenAddress("127.0.0.1:7425"), { host: "127.0.0.1", port: 7425 });
    assert.deepEqual(parseListenAddress("[::1]:80"), { host: "::1", port: 80 });
    for (const text of ["0.0.0.0:80", "[::]:80", "10.0.0.1:80", "example.org:80"]) {
      assert.throws(() => parseListenAddress(text), { code: "not-loopback" }, text);
    }
    for (const text of ["", "7425", "127.0.0.1", "127.0.0.1:70000", "::1:80"]) {
      assert.throws(() => parseListenAddress(text), { code: "bad-address" }, text);
    }
  });
});

describe("a history", () => {
  it("keeps the newest entries, also over a restart and a line that was cut off", async () => {
    const bench = new ConsoleBench();
    const file = join(bench.root, "history.ndjson");
    const history = new History<number>(file, 10);
    for (let number = 0; number < 95; number++) history.add(number);
    assert.deepEqual(history.entries.slice(0, 2), [85, 86]);
    assert.ok(readFileSync(file, "utf8").split("\n").length <= 22);
    writeFileSync(file, `${readFileSync(file, "utf8")}{"cut`);
    assert.deepEqual(new History<number>(file, 10).entries, history.entries);
    await bench.remove();
  });
});
