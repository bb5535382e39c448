import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { chmodSync, mkdirSync, mkdtempSync, readFileSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { type FirstBootRule, firstBootScript } from "../../../components/aws/network/firstBoot";
import { planAwsNetwork } from "../../../components/aws/network/plan";
import { awsNetworkProblems } from "../../../components/aws/network/problems";
import { hostileAws, smallAws } from "../../support/awsTopologies";

const rules: FirstBootRule[] = [
  {
    machines: "app-*",
    disableUnits: ["crond.service", "app-mail@eu.service"],
    script: 'echo "it\'s a clone" > "$CLONE"',
  },
  { machines: "app-1", disableUnits: ["crond.service", "queue.timer"] },
];
const withoutMark = (script: string): string => script.split("\n").slice(1).join("\n");

describe("what clones do at their first boot", () => {
  const folder = mkdtempSync(join(tmpdir(), "first-boot-"));

  after(() => rmSync(folder, { recursive: true }));

  it("is the user data of the machines that a rule is about, copies by scaling among them, with a line in the report", () => {
    const settings = { firstBoot: rules, scale: [{ machines: "app-1", replicas: 2 }] };
    assert.deepEqual(awsNetworkProblems(smallAws, settings), []);
    const { machines, fidelity } = planAwsNetwork(smallAws, settings);
    const [web, , ...apps] = machines;
    assert.equal(web!.userData, undefined);
    assert.equal(apps.length, 2);
    for (const { userData } of apps) assert.equal(userData, firstBootScript(rules));
    const said = fidelity.filter(({ subject }) => subject.endsWith("/firstBoot"));
    assert.equal(said.length, 2);
    assert.equal(
      said[0]!.reason,
      "crond.service, app-mail@eu.service, queue.timer do not run; a script of yours runs at boot",
    );
  });

  it("keeps each unit from starting by a condition, stops what runs, then runs the scripts; shellcheck has no word on it", () => {
    const script = firstBootScript(rules)!;
    assert.ok(script.startsWith("#cloud-boothook\n"), "cloud-init runs it while the system comes up");
    const file = join(folder, "boot.sh");
    writeFileSync(file, withoutMark(script).replaceAll("/run/systemd/system", join(folder, "units")));
    execFileSync("shellcheck", ["-s", "sh", file], { stdio: "pipe" });
    mkdirSync(join(folder, "bin"));
    writeFileSync(join(folder, "bin", "systemctl"), `#!/bin/sh\necho "$*" >> ${join(folder, "calls")}\n`);
    chmodSync(join(folder, "bin", "systemctl"), 0o755);
    const env = { PATH: `${join(folder, "bin")}${delimiter}${process.env.PATH ?? ""}`, CLONE: join(folder, "clone") };
    const each = ["daemon-reload", "stop --no-block crond.service app-mail@eu.service queue.timer"];
    for (const calls of [each, [...each, ...each]]) {
      execFileSync("sh", [file], { env });
      const units = readdirSync(join(folder, "units")).sort();
      assert.deepEqual(units, ["app-mail@eu.service.d", "crond.service.d", "queue.timer.d"]);
      const condition = readFileSync(join(folder, "units", "queue.timer.d", "shadownet.conf"), "utf8");
      assert.equal(condition, "[Unit]\nConditionPathExists=/nonexistent/shadownet\n");
      assert.deepEqual(readFileSync(join(folder, "calls"), "utf8").trim().split("\n"), calls, "the same at every boot");
    }
    assert.equal(readFileSync(join(folder, "clone"), "utf8"), "it's a clone\n");
  });

  it("goes on to the end when a script fails, as the machine is to come up", () => {
    const script = firstBootScript([
      { machines: "*", script: "exit 7" },
      { machines: "*", script: "echo second" },
    ])!;
    assert.equal(execFileSync("sh", ["-c", withoutMark(script)], { encoding: "utf8" }), "second\n");
  });

  it("refuses what could not work, all at once", () => {
    const problems = awsNetworkProblems(smallAws, {
      firstBoot: [
        { machines: "ap-1", disableUnits: ["crond.service"] },
        { machines: "app-1" },
        { machines: "app-1", disableUnits: ["crond", "amazon-ssm-agent.service", "x;reboot.service"] },
        { machines: "app-1", script: "x".repeat(16_384) },
      ],
    }).map(({ path, reason }) => `${path}: ${reason}`);
    assert.deepEqual(problems, [
      'firstBoot[0].machines: no machine matches "ap-1"; did you mean "app-1"?',
      "firstBoot[1]: it does nothing; give `disableUnits` or `script`",
      'firstBoot[2].disableUnits[0]: "crond" is no unit of systemd such as crond.service',
      "firstBoot[2].disableUnits[1]: amazon-ssm-agent.service is what a shadow is steered or reached by; leave it on",
      'firstBoot[2].disableUnits[2]: "x;reboot.service" is no unit of systemd such as crond.service',
      problems.at(-1)!,
    ]);
    assert.match(problems.at(-1)!, /firstBoot\[3\].script: \d+ bytes, AWS takes 16384/);
    const rule = { machines: "windows", disableUnits: ["w32time.service"] };
    const windows = awsNetworkProblems(hostileAws, { firstBoot: [rule] });
    assert.ok(
      windows.some(({ path, reason }) => path === "firstBoot[0].machines" && /windows run Windows/.test(reason)),
    );
  });
});
