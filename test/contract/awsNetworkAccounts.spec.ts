import assert from "node:assert/strict";
import { join } from "node:path";

import { AwsShadowNetwork, type AwsShadowNetworkArgs, planShadow } from "../../components/aws/network";
import { sharedSnapshot } from "../../components/aws/network/make/databases";
import { ofOwnSnapshots } from "../../components/aws/network/make/machines";
import type { Topology } from "../../components/topology";
import { loadRules } from "../../policies/pack";
import { type RecordedResource, asStack, recordResources } from "../support/awsMocks";
import { shadowAccount } from "../support/awsShadow";
import { smallAws, threeZoneAws } from "../support/awsTopologies";
import { awsId, productionAccount } from "../support/awsTopologyParts";
import { violations } from "../support/policyStack";

/** What a network registers in an account of its own. */
async function record(args: AwsShadowNetworkArgs, account = shadowAccount): Promise<RecordedResource[]> {
  return recordResources(() => new AwsShadowNetwork("shop", args), account);
}

const only = (all: RecordedResource[], type: string): RecordedResource[] => all.filter((one) => one.type === type);
const named = (all: RecordedResource[], name: string): Record<string, unknown> => {
  const found = all.filter((one) => one.name === name);
  assert.equal(found.length, 1, `resources called ${name}`);
  return found[0]!.inputs;
};

/** The topology with a data volume of app-1 that has a snapshot. */
function withData(topology: Topology): Topology {
  const copy = structuredClone(topology);
  const { aws } = copy.machines.find(({ name }) => name === "app-1")!;
  aws!.volumes!.push({
    id: awsId("vol", 0xda),
    device: "/dev/sdf",
    sizeGigabytes: 50,
    snapshotId: awsId("snap", 0xda),
  });
  return copy;
}

describe("AwsShadowNetwork in another account than production's, with Pulumi's mocks", function () {
  this.timeout(120_000);

  it("copies the snapshots first where it is told to: of roots, of data volumes once, and of a cluster", async () => {
    const topology = withData(smallAws);
    const scale = [{ machines: "app-1", replicas: 2 }];
    const all = await record({ topology, scale, copySnapshots: true });
    const copies = only(all, "aws:ebs/snapshotCopy:SnapshotCopy");
    assert.deepEqual(copies.map(({ name, inputs }) => [name, inputs.sourceSnapshotId, inputs.encrypted]).sort(), [
      ["shop-snapshot-app-1", "snap-00000000000000003", true],
      ["shop-snapshot-app-1//dev/sdf", "snap-000000000000000da", true],
      ["shop-snapshot-web-1", "snap-00000000000000001", true],
      ["shop-snapshot-web-2", "snap-00000000000000002", true],
    ]);
    const [device] = named(all, "shop-image-app-1").ebsBlockDevices as { snapshotId: string }[];
    assert.equal(device!.snapshotId, "shop-snapshot-app-1-id");
    const disks = only(all, "aws:ec2/instance:Instance").flatMap(
      ({ inputs }) => inputs.ebsBlockDevices as { snapshotId: string }[],
    );
    const twice = Array.from({ length: 2 }, () => "shop-snapshot-app-1//dev/sdf-id");
    assert.deepEqual(
      disks.map(({ snapshotId }) => snapshotId),
      twice,
    );
    const large = { topology: threeZoneAws, boundaries: [{ name: "store-db", restore: true }], copySnapshots: true };
    const copied = await record(large, productionAccount);
    const [copy] = only(copied, "aws:rds/clusterSnapshotCopy:ClusterSnapshotCopy");
    assert.equal(copy!.inputs.sourceDbClusterSnapshotIdentifier, "rds:store-db-2026-01-15-02-00");
    const [cluster] = only(copied, "aws:rds/cluster:Cluster");
    assert.equal(cluster!.inputs.snapshotIdentifier, copy!.inputs.targetDbClusterSnapshotIdentifier);
  });

  it("passes the isolation policies in an account of its own, where it names production's in the source of a copy alone", async () => {
    const topology = withData(smallAws);
    const database = topology.boundaries!.find(({ name }) => name === "shop-db")!;
    database.aws!.snapshotId = "shop-db-by-hand";
    const boundaries = [{ name: "shop-db", restore: true }];
    const all = await record({ topology, boundaries, copySnapshots: true });
    const source = `arn:aws:rds:eu-central-1:${productionAccount}:snapshot:shop-db-by-hand`;
    assert.equal(named(all, "shop-database-copy-shop-db").sourceDbSnapshotIdentifier, source);
    const rules = loadRules(join(__dirname, "..", "..", "policies", "isolation"));
    const config = { "isolation-forbid-production-references": { productionAccounts: [productionAccount] } };
    const component = "shadownet:index:AwsShadowNetwork";
    assert.deepEqual(await violations(rules, asStack(all, component), config), []);
    const made = all.filter(({ type }) => type.startsWith("aws:"));
    const texts = made.flatMap(
      ({ inputs }) => JSON.stringify(inputs).match(new RegExp(`[^"]*${productionAccount}[^"]*`, "g")) ?? [],
    );
    assert.deepEqual(texts, [source]);
  });

  it("refuses in another account what AWS would not take there", () => {
    assert.throws(
      () => ofOwnSnapshots("snap-1", shadowAccount, productionAccount),
      /account only, and snap-1 is of production's 111122223333.*`copySnapshots: true`.*share aws --with 222233334444/,
    );
    assert.equal(ofOwnSnapshots("snap-1", productionAccount, productionAccount), "snap-1");
    const place = { partition: "aws", region: "eu-central-1", accountId: shadowAccount };
    const [cluster] = planShadow({
      topology: threeZoneAws,
      boundaries: [{ name: "store-db", restore: true }],
    }).databases;
    assert.throws(() => sharedSnapshot(cluster!, place, productionAccount), /no automatic snapshot.*rds:store-db/);
    const byHand = { ...cluster!, snapshotId: "by-hand" };
    assert.throws(
      () => sharedSnapshot(byHand, place, productionAccount),
      /is a cluster of account.*copySnapshots: true/,
    );
    assert.equal(
      sharedSnapshot({ ...byHand, isCopied: true }, place, productionAccount),
      `arn:aws:rds:eu-central-1:${productionAccount}:cluster-snapshot:by-hand`,
    );
    assert.equal(sharedSnapshot(byHand, { ...place, accountId: productionAccount }, productionAccount), "by-hand");
  });
});
