import { strict as assert } from "node:assert";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { readFileSync } from "node:fs";
import { hostname } from "node:os";

import { isAlive, ownIdentity } from "../../../../components/runtime/runner/processes";

describe("the identity of a process", () => {
  it("is alive for the process that asks", () => {
    assert.equal(isAlive(ownIdentity()), true);
  });

  it("is not that of a later process with the same number", () => {
    assert.equal(isAlive({ ...ownIdentity(), startTime: "1" }), false);
  });

  it("counts as alive on another host, which cannot be asked", () => {
    assert.equal(isAlive({ pid: 1, host: `not-${hostname()}` }), true);
  });

  it("is dead for a zombie that nobody has waited for", async () => {
    // The shell's child ends at once, and its parent, which the shell becomes, never waits for it.
    const parent = spawn("sh", ["-c", "sleep 0.3 & echo $!; exec sleep 60"], { stdio: ["ignore", "pipe", "ignore"] });
    try {
      const [text] = (await once(parent.stdout, "data")) as [Buffer];
      const pid = Number(text.toString());
      const stat = (): string => readFileSync(`/proc/${pid}/stat`, "utf8");
      while (!/\) Z /.test(stat())) await new Promise((resolve) => setTimeout(resolve, 20));
      assert.equal(isAlive({ pid, host: hostname() }), false);
    } finally {
      parent.kill("SIGKILL");
    }
  });
});
