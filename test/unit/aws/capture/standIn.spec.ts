import assert from "node:assert/strict";
import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";

import { awsCapturePolicy, captureAws, checkAwsPermissions } from "../../../../components/aws/capture";
import { tryRun } from "../../../../components/internal/exec";
import type { Topology } from "../../../../components/topology";
import { fleetAnswers, fleetVpc, oneOfEach } from "../../../support/awsAnswers";
import { type AwsStandIn, type AwsStandInAnswers, startStandIn } from "../../../support/awsStandIn";
import { repository } from "../../../support/engine";
import { awsId } from "../../../support/awsTopologyParts";

const region = "eu-central-1";
const launcher = join(repository, "tools", "bin", "shadownet.mjs");
const credentials = {
  AWS_ACCESS_KEY_ID: "AKIATESTONLYTESTONLY",
  AWS_SECRET_ACCESS_KEY: "test-only",
  AWS_EC2_METADATA_DISABLED: "true",
};
// In the form that NODE_OPTIONS takes, which knows double quotes only as its own.
const sayMemory =
  "data:text/javascript,process.on('exit',()=>process.stderr.write('kilobytes='+process.resourceUsage().maxRSS+';'))";

describe("the capture against a small HTTP stand-in that pages answers of AWS's form", function () {
  this.timeout(180_000);
  const environment = { ...process.env };
  let standIn: AwsStandIn | undefined;
  let folder: string;

  before(async () => {
    Object.assign(process.env, credentials);
    folder = await mkdtemp(join(tmpdir(), "shadownet-capture-"));
  });
  after(async () => {
    process.env = environment;
    await rm(folder, { recursive: true, force: true });
  });
  afterEach(async () => {
    await standIn?.stop();
    standIn = undefined;
  });

  const start = async (answers: AwsStandInAnswers): Promise<AwsStandIn> => (standIn = await startStandIn(answers));
  const access = () => ({ region, endpointUrl: standIn!.url });
  const sum = (calls: ReadonlyMap<string, number>): number =>
    [...calls.values()].reduce((total, count) => total + count, 0);

  it("reads 1,000 instances with a counted number of calls and in less than 200 MB", async () => {
    const { calls, url } = await start(fleetAnswers(1000));
    const file = join(folder, "fleet.json");
    const command = [launcher, "capture", "aws", "--vpc", fleetVpc, "--region", region];
    const { code, stdout, stderr } = await tryRun(
      [process.execPath, ...command, "--endpoint-url", url, "--output", file, "--json"],
      { env: { ...credentials, NO_COLOR: "1", NODE_OPTIONS: `--import=${sayMemory}` }, timeoutMilliseconds: 150_000 },
    );
    assert.equal(code, 0, stderr);
    const topology = JSON.parse(await readFile(file, "utf8")) as Topology;
    assert.equal(topology.machines.length, 1000);
    assert.deepEqual(topology.unreadable, []);
    const [machine] = topology.machines;
    assert.deepEqual(
      machine!.aws!.volumes!.map(({ snapshotAt }) => snapshotAt),
      ["2026-01-07T03:00:00.000Z", "2026-01-07T03:00:00.000Z"],
    );
    assert.deepEqual(
      topology.aws!.mirrorSessions!.map(({ interfaceId, shadow }) => [interfaceId, shadow]),
      [[awsId("eni", 1), "shop"]],
    );
    assert.equal(
      topology.machines.filter(({ aws }) => aws?.imageAvailable === false).length,
      100,
      "one image of ten is gone",
    );
    assert.deepEqual(Object.fromEntries([...calls].filter(([, count]) => count > 2)), {
      "ec2:DescribeInstances": 10,
      "ec2:DescribeInstanceCreditSpecifications": 5,
      "ec2:DescribeNetworkInterfaces": 10,
      "ec2:DescribeVolumes": 10,
      "ec2:DescribeSnapshots": 30,
      "ec2:DescribeImages": 6,
    });
    assert.ok(sum(calls) < 110, `${sum(calls)} calls`);
    assert.equal(
      sum(new Map(Object.entries((JSON.parse(stdout) as { calls: Record<string, number> }).calls))),
      sum(calls),
    );
    const megabytes = Math.max(...[...stderr.matchAll(/kilobytes=(\d+)/g)].map(([, text]) => Number(text))) / 1024;
    assert.ok(megabytes < 200, `${megabytes} MB`);
  });

  it("makes no call that the printed policy does not allow, and the policy allows none that the capture never makes", async () => {
    const { calls } = await start(oneOfEach(fleetAnswers(3)));
    const topology = await captureAws(fleetVpc, access());
    const allowed = awsCapturePolicy(region).Statement.flatMap(({ Action }) => Action);
    assert.deepEqual([...calls.keys()].sort(), [...allowed].sort());
    assert.deepEqual(topology.unreadable, ["load balancer front is left out: none of its addresses could be read"]);
  });

  it("says what may not be read, and reads the rest", async () => {
    const refused = [
      "ec2:DescribeImages",
      "rds:DescribeDBInstances",
      "route53:ListHostedZonesByVPC",
      "elasticloadbalancing:DescribeLoadBalancers",
      "ec2:DescribeAvailabilityZones",
    ];
    await start({ ...fleetAnswers(3), refused });
    const topology = await captureAws(fleetVpc, access());
    assert.equal(topology.machines.length, 3);
    const said = "could not be read: not permitted (UnauthorizedOperation)";
    const expected = [
      "images",
      "images made of the instances",
      "databases",
      "private zones",
      "load balancers",
      "availability zones",
    ].map((what) => `${what} ${said}`);
    assert.deepEqual([...topology.unreadable!].sort(), expected.sort());
    assert.deepEqual(
      topology.aws!.zones.map(({ id }) => id),
      ["euc1-az1", "euc1-az2", "euc1-az3"],
    );
  });

  it("says what the region does not offer", async () => {
    await start({ ...fleetAnswers(1), refused: ["ec2:DescribeCarrierGateways"], refusal: "UnsupportedOperation" });
    const { unreadable } = await captureAws(fleetVpc, access());
    assert.deepEqual(unreadable, ["carrier gateways could not be read: the service refused (UnsupportedOperation)"]);
  });

  it("tries again when AWS asks to slow down, and makes only a few calls at a time", async () => {
    const running = await start({
      ...fleetAnswers(3),
      throttled: { "ec2:DescribeSubnets": 2, "rds:DescribeDBInstances": 1 },
    });
    const { machines, unreadable } = await captureAws(fleetVpc, access());
    assert.deepEqual([machines.length, unreadable], [3, []]);
    assert.equal(running.calls.get("ec2:DescribeSubnets"), 3);
    assert.ok(running.mostAtOnce <= 6, `${running.mostAtOnce} at once`);
  });

  it("a dry run names every call that is refused", async () => {
    const refused = ["ec2:DescribeSnapshots", "rds:DescribeDBClusters"];
    await start({ ...fleetAnswers(1), refused });
    const permissions = await checkAwsPermissions(fleetVpc, access());
    assert.deepEqual(
      permissions.filter(({ outcome }) => outcome === "refused").map(({ action }) => action),
      refused,
    );
    const untried = permissions.filter(({ outcome }) => outcome === "untried").map(({ action }) => action);
    assert.deepEqual(untried, [
      "elasticloadbalancing:DescribeListeners",
      "elasticloadbalancing:DescribeRules",
      "elasticloadbalancing:DescribeTargetHealth",
      "route53:ListResourceRecordSets",
    ]);
  });

  it("refuses when VPCs or credentials are no good, with the cure", async () => {
    await start({ ...fleetAnswers(1), refused: ["ec2:DescribeVpcs"] });
    await assert.rejects(captureAws(fleetVpc, access()), { code: "not-permitted", exitCode: 3 });
    await standIn!.stop();
    await start({ ...fleetAnswers(1), refused: ["ec2:DescribeVpcs"], refusal: "AuthFailure" });
    await assert.rejects(captureAws(fleetVpc, access()), { code: "bad-credentials", exitCode: 3 });
    await standIn!.stop();
    standIn = undefined;
    await assert.rejects(captureAws(fleetVpc, { region, endpointUrl: "http://127.0.0.1:9" }), {
      code: "no-connection",
      exitCode: 3,
    });
  });

  it("leaves no file when it is stopped in the middle", async () => {
    const running = await start({ ...fleetAnswers(3), delay: 500 });
    const file = join(folder, "stopped", "topology.json");
    const args = ["capture", "aws", "--vpc", fleetVpc, "--region", region, "--endpoint-url", running.url, "-o", file];
    const child = spawn(process.execPath, [launcher, ...args], { env: { ...process.env, NO_COLOR: "1" } });
    let said = "";
    child.stderr.on("data", (chunk: Buffer) => (said += chunk.toString()));
    const ended = once(child, "close");
    while (!running.calls.has("ec2:DescribeInstances") && child.exitCode === null) await sleep(20);
    child.kill("SIGINT");
    assert.deepEqual(await ended, [1, null], said);
    assert.match(said, /stopped by the user; nothing was written/);
    assert.equal(existsSync(file), false);
    assert.deepEqual(existsSync(join(folder, "stopped")) ? await readdir(join(folder, "stopped")) : [], []);
  });
});
