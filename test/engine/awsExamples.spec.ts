import assert from "node:assert/strict";
import { readFile, readdir } from "node:fs/promises";
import { join } from "node:path";

import type { Topology } from "../../components/topology";
import { makeAwsProject, policyPack } from "../support/awsEngine";
import { smallAws } from "../support/awsTopologies";
import { repository } from "../support/engine";

interface Example {
  folder: string;
  stack: string;
  config: Record<string, string>;
  /** Account that the shadow stands in. Defaults to production's. */
  account?: string;
}

const examples: Example[] = [
  { folder: "aws-minimal", stack: "dev", config: { topology: "topology.json", percent: "10" } },
  {
    folder: "aws-two-accounts",
    stack: "dev",
    config: {
      topology: "topology.json",
      percent: "10",
      region: "eu-central-1",
      productionProfile: "production",
      shadowProfile: "shadows",
    },
    account: "210987654321",
  },
  {
    folder: "aws-stack-per-environment",
    stack: "prod-shadow",
    config: { topology: "topology.json", percent: "5", notify: '["mailto:oncall@example.com"]' },
  },
];

describe("the examples on AWS, on the real engine with a stand-in for the aws provider", function () {
  this.timeout(600_000);

  it("are all tried here", async () => {
    const folders = (await readdir(join(repository, "examples"))).filter((name) => name.startsWith("aws-"));
    assert.deepEqual(folders.sort(), examples.map(({ folder }) => folder).sort());
  });

  for (const { folder, stack, config, account } of examples) {
    it(`${folder} passes a preview with the isolation policies`, async () => {
      const source = await readFile(join(repository, "examples", folder, "index.ts"), "utf8");
      const topology: Topology = smallAws;
      const project = await makeAwsProject({
        name: folder,
        stack,
        program: "",
        runtimeOptions: { typescript: false },
        main: "index.ts",
        files: { "index.ts": source, "topology.json": JSON.stringify(topology) },
        ...(account === undefined ? {} : { environment: { STANDIN_ACCOUNT: account } }),
      });
      try {
        for (const [key, value] of Object.entries(config)) await project.setConfig(key, value);
        const preview = await project.preview("--policy-pack", policyPack("isolation"));
        assert.equal(preview.code, 0, preview.stdout + preview.stderr);
        assert.ok(preview.counts.create > 50);
        // Documents that hold names of what is not made yet are texts as a whole, which only the update knows.
        const notRun = (preview.stdout + preview.stderr).match(/can't run policy .*/g) ?? [];
        const unexpected = notRun.filter((line) => !/ at \.policy can't be known during preview/.test(line));
        assert.deepEqual(unexpected, []);
      } finally {
        await project.dispose();
      }
    });
  }
});
