import assert from "node:assert/strict";
import { chmodSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";

import { sharingCommands, sharingOf } from "../../../components/aws/network/sharing";
import { tryRun } from "../../../components/internal/exec";
import type { Topology } from "../../../components/topology";
import { hostileAws, smallAws } from "../../support/awsTopologies";
import { awsId, productionAccount } from "../../support/awsTopologyParts";
import { repository } from "../../support/engine";

const shadow = "444455556666";
const key = `arn:aws:kms:eu-central-1:${productionAccount}:key/00000000-0000-4000-8000-00000000000a`;

/** Three machines: one from an image of its own, one from snapshots, one from the image that it was launched from. */
function production(imageOwner: string): Topology {
  const topology = structuredClone(smallAws);
  const [image, disks, launched] = topology.machines;
  Object.assign(image!.aws!, { newestImageId: awsId("ami", 0xa), volumes: [] });
  disks!.aws!.volumes = [
    { id: awsId("vol", 1), device: "/dev/xvda", sizeGigabytes: 8, snapshotId: awsId("snap", 1), kmsKeyId: key },
    { id: awsId("vol", 2), device: "/dev/sdf", sizeGigabytes: 50, snapshotId: awsId("snap", 2) },
    { id: awsId("vol", 3), device: "/dev/sdg", sizeGigabytes: 50 },
  ];
  Object.assign(launched!.aws!, { volumes: [], imageId: awsId("ami", 0xb), imageOwner });
  topology.boundaries!.find(({ name }) => name === "shop-db")!.aws!.snapshotId = "by-hand";
  return topology;
}

describe("what production shares with a shadow in another account", () => {
  const folder = mkdtempSync(join(tmpdir(), "sharing-"));
  const launcher = join(repository, "tools", "bin", "shadownet.mjs");
  const share = (file: string, ...args: string[]) =>
    tryRun([process.execPath, launcher, "share", "aws", "--topology", file, ...args], {
      env: { NO_COLOR: "1" },
      timeoutMilliseconds: 60_000,
    });

  after(() => rmSync(folder, { recursive: true }));

  it("is what machines start from: images of its own, snapshots of all volumes, their keys, databases that are restored", () => {
    assert.deepEqual(sharingOf(production(productionAccount), ["shop-db"]), {
      imageIds: [awsId("ami", 0xa), awsId("ami", 0xb)],
      snapshotIds: [awsId("snap", 1), awsId("snap", 2)],
      databaseSnapshots: [{ id: "by-hand", isCluster: false }],
      keyArns: [key],
      notes: [],
    });
    const { imageIds, databaseSnapshots } = sharingOf(production("137112412989"));
    assert.deepEqual(imageIds, [awsId("ami", 0xa)], "an image of somebody else is not production's to share");
    assert.deepEqual(databaseSnapshots, []);
  });

  it("leaves out what is not cloned, and says what cannot be shared", () => {
    const { notes, databaseSnapshots } = sharingOf(hostileAws, ["orders"]);
    assert.deepEqual(databaseSnapshots, []);
    assert.match(notes.join(), /no automatic snapshot, and rds:orders-\S+ of "orders" is one: copy it/);
    const node = hostileAws.machines.find(({ name }) => name === "eks-node")!;
    const { snapshotIds } = sharingOf(hostileAws);
    assert.ok(snapshotIds.length > 0);
    for (const { snapshotId } of node.aws!.volumes!) assert.ok(!snapshotIds.includes(snapshotId!), snapshotId);
  });

  it("is taken back by as many commands as gave it, each of which names one thing and the account", () => {
    const sharing = sharingOf(production(productionAccount), ["shop-db"]);
    const target = { account: shadow, region: "eu-central-1", partition: "aws" };
    const [give, take] = [false, true].map((undo) => sharingCommands(sharing, { ...target, undo }));
    assert.equal(give!.length, 6);
    assert.equal(take!.length, 6);
    for (const line of [...give!, ...take!])
      assert.ok(line.includes(shadow) && line.includes("--region eu-central-1"), line);
  });

  it("is printed as a script that a shell runs, with one call of the AWS command line for each line", async () => {
    const file = join(folder, "topology.json");
    writeFileSync(file, JSON.stringify(production(productionAccount)));
    const { code, stdout, stderr } = await share(file, "--with", shadow, "--restore", "shop-db");
    assert.equal(code, 0, stderr);
    const log = join(folder, "calls");
    writeFileSync(join(folder, "aws"), `#!/bin/sh\nprintf '%s\\n' "$*" >> ${log}\necho grant-1\n`);
    chmodSync(join(folder, "aws"), 0o755);
    const env = { PATH: `${folder}${delimiter}${process.env.PATH ?? ""}` };
    const run = async (script: string): Promise<string[]> => {
      writeFileSync(log, "");
      const ran = await tryRun(["sh", "-eu", "-c", script], { env, timeoutMilliseconds: 20_000 });
      assert.equal(ran.code, 0, ran.stderr);
      return readFileSync(log, "utf8").trim().split("\n");
    };
    assert.deepEqual(await run(stdout), [
      `ec2 modify-image-attribute --region eu-central-1 --image-id ${awsId("ami", 0xa)} --launch-permission Add=[{UserId=${shadow}}]`,
      `ec2 modify-image-attribute --region eu-central-1 --image-id ${awsId("ami", 0xb)} --launch-permission Add=[{UserId=${shadow}}]`,
      ...[1, 2].map(
        (number) =>
          `ec2 modify-snapshot-attribute --region eu-central-1 --snapshot-id ${awsId("snap", number)} --attribute createVolumePermission --operation-type add --user-ids ${shadow}`,
      ),
      `rds modify-db-snapshot-attribute --region eu-central-1 --db-snapshot-identifier by-hand --attribute-name restore --values-to-add ${shadow}`,
      `kms create-grant --region eu-central-1 --name shadownet --key-id ${key} --grantee-principal arn:aws:iam::${shadow}:root --operations Decrypt DescribeKey CreateGrant GenerateDataKeyWithoutPlaintext ReEncryptFrom ReEncryptTo RetireGrant`,
    ]);
    const undone = await run((await share(file, "--with", shadow, "--restore", "shop-db", "--undo")).stdout);
    assert.deepEqual(undone.at(-1), `kms revoke-grant --region eu-central-1 --key-id ${key} --grant-id grant-1`);
  });

  it("is refused for what makes no sense, all at once", async () => {
    const file = join(folder, "topology.json");
    writeFileSync(file, JSON.stringify(production(productionAccount)));
    const own = await share(file, "--with", productionAccount, "--restore", "shopdb");
    assert.equal(own.code, 2);
    assert.match(own.stderr, /--with: 111122223333 is production's own account/);
    assert.match(own.stderr, /--restore: no database "shopdb"; did you mean "shop-db"/);
    assert.match((await share(file, "--with", "12")).stderr, /"12" is not an account id of 12 digits/);
  });
});
