import assert from "node:assert/strict";
import { mkdtemp, readdir, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { awsCapturePolicy } from "../../../../components/aws/capture";
import { type CommandResult, tryRun } from "../../../../components/internal/exec";
import { outputOf } from "../../../../components/runtime/cli/captureAws";
import { repository } from "../../../support/engine";

const launcher = join(repository, "tools", "bin", "shadownet.mjs");
const vpc = "vpc-0a1b2c3d4e5f67890";

describe("shadownet capture aws", function () {
  this.timeout(120_000);
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "shadownet-capture-"));
    await writeFile(join(folder, "config"), "[profile other]\noutput = json\n");
  });
  after(() => rm(folder, { recursive: true, force: true }));

  /** Runs the command without any credentials or region of the machine it runs on. */
  const capture = (args: string[], env: Record<string, string> = {}): Promise<CommandResult> => {
    const none = { AWS_ACCESS_KEY_ID: "", AWS_SECRET_ACCESS_KEY: "", AWS_PROFILE: "", AWS_REGION: "" };
    const files = { AWS_CONFIG_FILE: join(folder, "config"), AWS_SHARED_CREDENTIALS_FILE: join(folder, "credentials") };
    const options = {
      cwd: folder,
      env: { ...none, ...files, AWS_EC2_METADATA_DISABLED: "true", NO_COLOR: "1", ...env },
    };
    return tryRun([process.execPath, launcher, "capture", "aws", ...args], options);
  };

  it("explains itself with examples", async () => {
    const { code, stdout } = await capture(["--help"]);
    assert.equal(code, 0);
    assert.match(stdout, /Example:\n {2}shadownet capture aws --vpc vpc-/);
    assert.match(stdout, /--endpoint-url <address>.*local\s+stand-ins/);
  });

  it("prints the policy without any credentials", async () => {
    const { code, stdout } = await capture(["--print-policy", "--region", "cn-north-1"]);
    assert.equal(code, 0);
    assert.deepEqual(JSON.parse(stdout), awsCapturePolicy("cn-north-1"));
    assert.match(stdout, /arn:aws-cn:ec2:cn-north-1:\*:prefix-list/);
  });

  const keys = { AWS_ACCESS_KEY_ID: "AKIATESTONLYTESTONLY", AWS_SECRET_ACCESS_KEY: "test-only" };
  const refusals: [string, string[], Record<string, string>, number, RegExp][] = [
    ["no VPC", [], {}, 2, /--vpc: missing; give the VPC's id/],
    ["two things at once", ["--print-policy", "--dry-run"], {}, 2, /give one of them/],
    [
      "all that is wrong with its arguments at once",
      ["--vpc", "vpc-xyz", "--region", "eu-central-1a", "--endpoint-url", "moto"],
      keys,
      2,
      /3 problems\n {2}vpc: "vpc-xyz" is no VPC id.*\n {2}region: "eu-central-1a" .*its region is eu-central-1\n {2}endpoint-url: "moto"/,
    ],
    ["no region", ["--vpc", vpc], keys, 2, /no region is named; give --region/],
    [
      "a bad region of the environment",
      ["--vpc", vpc],
      { ...keys, AWS_REGION: "mars" },
      2,
      /region: "mars" is no region/,
    ],
    [
      "no credentials",
      ["--vpc", vpc, "--region", "eu-central-1"],
      {},
      3,
      /there are no usable AWS credentials: .*; set AWS_ACCESS_KEY_ID/,
    ],
    [
      "no credentials in a dry run",
      ["--vpc", vpc, "--region", "eu-central-1", "--dry-run"],
      {},
      3,
      /no usable AWS credentials/,
    ],
    [
      "a profile that is not there",
      ["--vpc", vpc, "--region", "eu-central-1", "--profile", "nobody"],
      {},
      3,
      /no usable AWS credentials from profile "nobody": /,
    ],
    [
      "a host that is not there",
      ["--vpc", vpc, "--region", "eu-central-1", "--endpoint-url", "http://ec2.invalid"],
      keys,
      3,
      /AWS cannot be reached at \S*ec2\.invalid: its name is not known; is it a region, and is there a network\?/,
    ],
  ];
  for (const [what, args, env, expected, message] of refusals) {
    it(`refuses ${what}`, async () => {
      const { code, stderr } = await capture(args, env);
      assert.match(stderr, message);
      assert.equal(code, expected);
      assert.deepEqual((await readdir(folder)).sort(), ["config"]);
    });
  }

  it("takes standard output for the topology where that was sent to a file and no file is named", () => {
    assert.equal(outputOf({}, true), "-");
    assert.equal(outputOf({}, false), "topology.json");
    assert.equal(outputOf({ json: true }, true), "topology.json");
    assert.equal(outputOf({ output: "other.json" }, true), "other.json");
    assert.equal(outputOf({ output: "-" }, false), "-");
  });

  it("gives refusals as JSON where asked", async () => {
    const { code, stdout } = await capture(["--vpc", "vpc-1", "--region", "eu-central-1", "--json"]);
    assert.equal(code, 2);
    const { error } = JSON.parse(stdout) as { error: { code: string; problems: { path: string }[] } };
    assert.deepEqual([error.code, error.problems.map(({ path }) => path)], ["bad-input", ["vpc"]]);
  });
});
