import { strict as assert } from "node:assert";

import { ExitCode, ProblemsError, markedMessage } from "../../../../components/internal/problems";
import { explain } from "../../../../components/lab/provider/preparation";
import { engineError, isBusy, lineReader, shownLine } from "../../../../components/runtime/cli/engineOutput";
import { ShadownetError } from "../../../../components/internal/problems";

describe("the engine's output", () => {
  it("keeps what happened to resources and leaves the heartbeat out", () => {
    const lines = [
      "@ updating......",
      "@ previewing update....",
      "",
      " +  shadownetlab:index:Machine shop-network-machine-web-1 creating (0s) ",
      " ~  shadownetlab:index:Gateway shop-mirror-gateway refresh (0.16s)",
      "    shadownetlab:index:Subnet shop-network-subnet-data ",
      " ~  shadownetlab:index:Gateway shop-mirror-gateway refresh (0.16s) [diff: ~process]",
      " +  shadownetlab:index:Machine shop-network-machine-web-1 created (1s) ",
      "    error: the disk is full",
    ];
    assert.deepEqual(
      lines.flatMap((line) => shownLine(line) ?? []),
      [
        " ~  shadownetlab:index:Gateway shop-mirror-gateway refresh (0.16s) [diff: ~process]",
        " +  shadownetlab:index:Machine shop-network-machine-web-1 created (1s)",
        "    error: the disk is full",
      ],
    );
  });

  it("is cut into lines wherever the pipe cuts it", () => {
    const lines: string[] = [];
    const reader = lineReader((line) => lines.push(line));
    for (const part of ["a\nb", "b\n", "", "c"]) reader.add(part);
    reader.end();
    assert.deepEqual(lines, ["a", "bb", "c"]);
  });
});

describe("an engine that ended badly", () => {
  const exitCode = (output: string): number => engineError("up", 255, output, true).exitCode;

  it("hands on what a component or a provider said of the kind of its error", () => {
    const refused = new ProblemsError("topology.json", [{ path: "machines[0].name", reason: "taken" }]);
    assert.equal(exitCode(`error: Running program failed:\n    ${markedMessage(refused)}\n`), ExitCode.BadInput);
    const impossible = new ShadownetError("missing-tool", "nft not found", ExitCode.NotPossibleHere);
    assert.equal(exitCode(`  error: ${explain(impossible)}\n`), ExitCode.NotPossibleHere);
    assert.equal(exitCode(`  error: ${explain(new ShadownetError("x", "the gateway died"))}\n`), ExitCode.FailureFound);
  });

  it("knows the engine's own refusals of input", () => {
    assert.equal(exitCode("error: Configuration 'a:percent' value 'nan' is not a valid number"), ExitCode.BadInput);
    assert.equal(exitCode("error: shadownetlab:index:Machine resource 'm' has a problem: x"), ExitCode.BadInput);
    assert.equal(exitCode("TypeError: a is not a function"), ExitCode.FailureFound);
  });

  it("says who holds the stack or the network", () => {
    const stack = engineError(
      "up",
      255,
      "error: the stack is currently locked by 1 lock(s). Either wait\n  file:///x.json: created by root@vm (pid 603) at now",
      true,
    );
    assert.match(stack.message, /another operation \(process 603\) is changing this stack; wait until it has ended/);
    const busy = new ShadownetError(
      "network-busy",
      'another operation (process 7) is changing "shop"; wait until it has ended, then run this again',
      ExitCode.NotPossibleHere,
    );
    const network = engineError("up", 255, `error: ${explain(busy)}`, true);
    for (const error of [stack, network]) {
      assert.ok(isBusy(error));
      assert.equal(error.exitCode, ExitCode.NotPossibleHere);
    }
    assert.equal(network.message, busy.message);
  });

  it("gives programs the diagnostics alone", () => {
    const output =
      "Updating (x):\n@ updating....\nDiagnostics:\n  Stack (x):\n    error: bad\n\nResources:\n    1 errored\n";
    const { message } = engineError("up", 255, output, false);
    assert.match(message, /error: bad$/);
    assert.doesNotMatch(message, /Updating|Resources/);
  });
});
