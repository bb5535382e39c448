import assert from "node:assert/strict";
import { spawnSync } from "node:child_process";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import type { ExchangeSample } from "../../../../components/runtime/gateway/exchange";
import { SamplesFile } from "../../../../components/runtime/gateway/samplesFile";

const module = resolve(__dirname, "../../../../components/runtime/gateway/samplesFile.ts");

function sample(index: number, pathBytes: number): ExchangeSample {
  const path = `/${"p".repeat(pathBytes)}`;
  return {
    flow: "f",
    index,
    protocol: "http1",
    method: "GET",
    path,
    live: { start: 1 },
    shadow: { start: 2 },
    lagMilliseconds: 0,
  };
}

describe("gateway: the file of samples", () => {
  let folder: string;
  let file: string;
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "gateway-samples-"));
    file = join(folder, "deep", "samples.ndjson");
  });
  afterEach(() => rmSync(folder, { recursive: true, force: true }));

  const lines = (): ExchangeSample[] => {
    const text = readFileSync(file, "utf8");
    assert.ok(text === "" || text.endsWith("\n"), "it ends with a whole line");
    const all = text.split("\n").slice(0, -1);
    return all.map((line) => JSON.parse(line) as ExchangeSample);
  };

  it("has every sample in order, however long, and goes on where it ended", () => {
    const lengths = [10, 200_000, 20, 130_900, 131_072, 300, 60_000, 60_000, 60_000];
    for (const [from, to] of [
      [0, 5],
      [5, lengths.length],
    ] as const) {
      const samples = new SamplesFile(file);
      for (let index = from; index < to; index++) samples.add(sample(index, lengths[index]!));
      samples.close();
      assert.equal(samples.unwritten, 0);
    }
    assert.deepEqual(
      lines().map(({ index, path }) => [index, path!.length - 1]),
      lengths.map((length, index) => [index, length]),
    );
  });

  it("has whole lines alone when the disk takes no more, and counts the others", function () {
    this.timeout(30_000);
    const script = `
      const { SamplesFile } = require(${JSON.stringify(module)});
      const samples = new SamplesFile(${JSON.stringify(file)});
      for (let index = 0; index < 30; index++) {
        samples.add(${JSON.stringify(sample(0, 300))});
        if (index % 4 === 3) samples.flush();
      }
      samples.close();
      process.stdout.write(String(samples.unwritten));
    `;
    // The shell counts in blocks of 1,024 bytes: about ten samples, the last of them in part.
    const run = spawnSync("bash", ["-c", 'ulimit -f 4; exec "$0" --import tsx --eval "$1"', process.execPath, script], {
      encoding: "utf8",
      cwd: resolve(__dirname, "../../../.."),
    });
    assert.equal(run.status, 0, run.stderr);
    const written = lines().length;
    assert.ok(written > 4 && written < 12, `${written} lines`);
    assert.equal(written + Number(run.stdout), 30);
    const said = run.stderr.split("\n").filter((line) => line.includes("samples.ndjson"));
    assert.equal(said.length, 1, "it says so once");
    assert.match(said[0]!, /cannot be written, exchanges are left out of it and counted: /);
  });
});
