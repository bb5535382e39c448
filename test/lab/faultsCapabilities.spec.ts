import assert from "node:assert/strict";

import { run } from "../../components/internal/exec";
import { probeCapabilities } from "../../components/runtime/faults/capabilities";

describe("probeCapabilities", function () {
  this.timeout(60_000);

  it("finds what there is and leaves nothing behind", async () => {
    const found = await probeCapabilities();
    assert.deepEqual(
      [found.nftNetdevIngress, found.nftNetdevEgress, found.vxlan, found.mirred],
      [true, true, true, true],
    );
    assert.ok(found.relay !== undefined || found.netem);
    assert.ok(!(await run(["ip", "netns", "list"])).includes(`snprobe${process.pid}`));
  });
});
