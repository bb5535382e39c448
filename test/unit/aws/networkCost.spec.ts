import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { mirrorCost } from "../../../components/aws/cost";
import { planMirror } from "../../../components/aws/mirror/plan";
import type { AwsMirrorSettings } from "../../../components/aws/mirror/settings";
import { networkCost, tally } from "../../../components/aws/network/cost";
import { planAwsNetwork } from "../../../components/aws/network/plan";
import { fidelitySummary } from "../../../components/aws/network/summary";
import { smallAws, threeZoneAws } from "../../support/awsTopologies";

describe("the cost formula of a shadow on AWS", () => {
  it("is the one that the documentation shows", () => {
    const page = readFileSync(join(__dirname, "..", "..", "..", "docs", "aws.md"), "utf8");
    const formula = networkCost(planAwsNetwork(smallAws, {})).join("\n");
    assert.ok(page.includes(`\`\`\`\n${formula}\n\`\`\``), formula);
  });

  it("counts the instances and disks of groups, images taken now, and databases", () => {
    const settings = {
      autoScalingGroups: ["web"],
      scale: [{ machines: "web-*", replicas: 30 }],
      state: [{ machines: "data-*", disk: "snapshot" as const }],
      boundaries: [{ name: "store-db", restore: true }],
    };
    const plan = planAwsNetwork(threeZoneAws, settings);
    const lines = networkCost(plan);
    const count = [...lines[0]!.matchAll(/(\d+) × /g)].reduce((sum, [, number]) => sum + Number(number), 0);
    assert.equal(count, 30 + 24 + 12);
    assert.ok(lines.includes("images: 12 taken of running machines, the snapshots' GB by the month"));
    assert.ok(lines.some((line) => /^database store-db: 1 × db\.t3\.medium by the hour/.test(line)));
    const gigabytes = Number(/volumes: (\d+) GB gp3/.exec(lines[1]!)![1]);
    const data = threeZoneAws.machines.flatMap(({ aws }) => aws!.volumes!.slice(1));
    assert.equal(gigabytes, 20 * 66 + data.reduce((sum, { sizeGigabytes }) => sum + sizeGigabytes, 0));
  });

  it("counts gateways and endpoints in the zones that have sources, and no others", () => {
    const lines = (settings: AwsMirrorSettings): string => {
      const { plan, problems } = planMirror(threeZoneAws, settings);
      assert.deepEqual(problems, []);
      return mirrorCost(plan!, settings).join("\n");
    };
    const one = lines({ sources: ["web-a-*"], gatewaysPerZone: 2 });
    assert.match(one, /; 1 endpoints in production/);
    assert.match(one, /^gateways: 2 × c6i\.large/m);
    const two = lines({ sources: ["web-a-*", "web-b-*"], gatewayInstanceType: "c6g.large" });
    assert.match(two, /^gateways: 2 × c6g\.large/m);
  });

  it("says none where there is none", () => {
    assert.equal(tally([]), "none");
    assert.equal(tally(["a", "b", "a"]), "2 × a + 1 × b");
  });
});

describe("the summary of a fidelity report", () => {
  it("counts by outcome and kind, in a few lines however long the report is", () => {
    const { fidelity } = planAwsNetwork(threeZoneAws, {});
    const lines = fidelitySummary(fidelity).split("\n");
    assert.ok(fidelity.length > 300 && lines.length <= 5);
    const total = lines.slice(1).reduce((sum, line) => sum + Number(/^ +(\d+)/.exec(line)![1]), 0);
    assert.equal(total, fidelity.length);
    assert.match(lines.join(), /60 machines \(userData\)/);
  });
});
