import { strict as assert } from "node:assert";

import { labHostProblems, requireLabHost } from "../../../components/internal/labHost";
import { ExitCode, ShadownetError } from "../../../components/internal/problems";

describe("whether a host can run the lab", () => {
  const refusal = (host: Parameters<typeof requireLabHost>[0]): ShadownetError => {
    try {
      requireLabHost(host);
    } catch (error) {
      assert.ok(error instanceof ShadownetError);
      return error;
    }
    throw new Error("it was not refused");
  };

  it("refuses another system, and says that the cloud back ends do not need Linux", () => {
    const { code, message, exitCode } = refusal({ platform: "darwin", user: 501, path: "" });
    assert.equal(code, "not-linux");
    assert.match(message, /needs Linux, this is darwin; the cloud back ends run anywhere/);
    assert.equal(exitCode, ExitCode.NotPossibleHere);
  });

  it("names everything that is in the way at once, with its cure", () => {
    const { code, message, exitCode } = refusal({ platform: "linux", user: 1000, path: "/nonexistent" });
    assert.equal(code, "not-root");
    assert.match(message, /needs root; use `sudo -E`/);
    assert.match(message, /ip, nft, nsenter, sysctl, ethtool, ping not found on PATH/);
    assert.match(message, /apt-get install iproute2 nftables util-linux procps ethtool iputils-ping/);
    assert.equal(exitCode, ExitCode.NotPossibleHere);
  });

  it("takes a file that cannot be executed for a missing program", () => {
    const problems = labHostProblems({ platform: "linux", user: 0, path: "/proc/self/fdinfo" });
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["programs"],
    );
  });
});
