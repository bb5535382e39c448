import assert from "node:assert/strict";
import { existsSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { tryRun } from "../../../../components/internal/exec";
import type { RelayConfig } from "../../../../components/runtime/faults/relay/model";

const program = resolve(__dirname, "../../../../dist/components/runtime/faults/relay/main.js");

describe("the relay", function () {
  this.timeout(60_000);

  it("ends in order when it is told so at the moment at which it says that it is ready", async () => {
    const state = mkdtempSync(join(tmpdir(), "shadownet-relay-"));
    try {
      const config: RelayConfig = { state, listen: "127.0.0.1", port: 0, returnTo: "127.0.0.1", taps: [], limit: 1 };
      writeFileSync(join(state, "config.json"), JSON.stringify(config));
      writeFileSync(join(state, "deadline"), `${Number.MAX_SAFE_INTEGER}`);
      const preload = join(state, "preload.mjs");
      writeFileSync(
        preload,
        `import fs from "node:fs";
        const { renameSync: rename } = fs;
        fs.renameSync = (from, to) => {
          rename(from, to);
          if (to.endsWith("relay.json")) process.kill(process.pid, "SIGTERM");
        };`,
      );
      const argv = [process.execPath, "--import", preload, program, join(state, "config.json")];
      const { code, stderr } = await tryRun(argv);
      assert.equal(code, 0, stderr);
      assert.ok(existsSync(join(state, "relay.json")));
    } finally {
      rmSync(state, { recursive: true });
    }
  });
});
