import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import { AwsShadowNetwork, type AwsShadowNetworkArgs } from "../../components/aws/network";
import { ofSameAccount } from "../../components/aws/network/make/machines";
import type { AwsShadowReference } from "../../components/aws/shadow";
import { shadowAccount } from "../support/awsShadow";
import { hostileAws, smallAws, threeZoneAws } from "../support/awsTopologies";
import { productionAccount } from "../support/awsTopologyParts";
import { loadRules } from "../../policies/pack";
import { violations } from "../support/policyStack";
import { type RecordedResource, arnOf, asStack, productionAccountOf, recordResources } from "../support/awsMocks";

const golden = (name: string): string[] =>
  JSON.parse(readFileSync(join(__dirname, "golden", `${name}.json`), "utf8")) as string[];

/** What a network registers in production's own account, or in another one. */
async function record(
  args: AwsShadowNetworkArgs,
  account = productionAccountOf(args.topology),
): Promise<RecordedResource[]> {
  return recordResources(() => new AwsShadowNetwork("shop", args), account);
}

const full: AwsShadowNetworkArgs = {
  topology: smallAws,
  boundaries: [{ name: "shop-db", restore: true }],
  tags: { team: "shop" },
};

const only = (all: RecordedResource[], type: string): RecordedResource[] => all.filter((one) => one.type === type);
const named = (all: RecordedResource[], name: string): Record<string, unknown> => {
  const found = all.filter((one) => one.name === name);
  assert.equal(found.length, 1, `resources called ${name}`);
  return found[0]!.inputs;
};
const countsOf = (all: RecordedResource[]): Record<string, number> => {
  const counts: Record<string, number> = {};
  for (const { type } of all) counts[type.split(":").at(-1)!] = (counts[type.split(":").at(-1)!] ?? 0) + 1;
  return counts;
};

describe("AwsShadowNetwork with Pulumi's mocks", function () {
  this.timeout(120_000);
  let small: RecordedResource[];

  before(async () => {
    small = await record(full);
  });

  it("registers these children; a renamed one would be replaced at every user's", () => {
    assert.deepEqual(small.map(({ type, name }) => `${type} ${name}`).sort(), golden("awsNetwork"));
  });

  it("makes as many of each as the large topology has", async () => {
    const counts = countsOf(
      await record({ topology: threeZoneAws, boundaries: [{ name: "store-db", restore: true }] }),
    );
    assert.deepEqual(
      {
        subnets: counts.Subnet,
        instances: counts.Instance,
        images: counts.Ami,
        interfaces: counts.NetworkInterface,
        routeTables: counts.RouteTable,
        routes: counts.Route,
        associations: counts.RouteTableAssociation,
        acls: counts.NetworkAcl,
        groups: counts.SecurityGroup,
        balancers: counts.LoadBalancer,
        listeners: counts.Listener,
        listenerRules: counts.ListenerRule,
        targets: counts.TargetGroupAttachment,
        zones: counts.Zone,
        records: counts.Record,
        cluster: counts.Cluster,
        members: counts.ClusterInstance,
        endpoints: counts.VpcEndpoint,
      },
      {
        subnets: 12 + 1 + 3 * 2,
        instances: 60,
        images: 60,
        interfaces: 60 + 3,
        routeTables: 6 + 1,
        routes: 6,
        associations: 12 + 1 + 3 * 2,
        acls: 2,
        groups: 4 + 2 + 1,
        balancers: 2,
        listeners: 3,
        listenerRules: 1,
        targets: 24 + 24,
        zones: 1 + 2 + 1,
        records: 3 + 2 + 1,
        cluster: 1,
        members: 1,
        endpoints: 7,
      },
    );
  });

  it("starts instances at production's addresses, encrypted, with the shadow's profile and a metadata session", () => {
    const card = named(small, "shop-interface-web-1/eth0");
    assert.deepEqual(card.privateIps, ["10.20.10.11"]);
    assert.deepEqual(card.securityGroups, ["shop-group-web-id"]);
    const { instanceType, ami, iamInstanceProfile, metadataOptions, monitoring, rootBlockDevice, ...rest } = named(
      small,
      "shop-machine-web-1",
    );
    assert.equal(instanceType, "t3.small");
    assert.equal(ami, "shop-image-web-1-id");
    assert.match(iamInstanceProfile as string, /^s-shop-dev-machines-/);
    assert.deepEqual(metadataOptions, { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 });
    assert.equal(monitoring, true);
    assert.deepEqual(rootBlockDevice, {
      encrypted: true,
      kmsKeyId: arnOf("aws:kms/key:Key", "shop-key"),
      deleteOnTermination: true,
      volumeSize: 20,
      volumeType: "gp3",
      iops: 3000,
      throughput: 125,
    });
    assert.deepEqual(rest.primaryNetworkInterface, { networkInterfaceId: "shop-interface-web-1/eth0-id" });
    assert.ok(!("userData" in rest) && !("keyName" in rest));
  });

  it("registers an image from the newest snapshot of the root volume", () => {
    const image = named(small, "shop-image-app-1");
    assert.equal(image.rootDeviceName, "/dev/xvda");
    assert.deepEqual(
      (image.ebsBlockDevices as { snapshotId: string }[]).map(({ snapshotId }) => snapshotId),
      ["snap-00000000000000003"],
    );
  });

  it("gives clones what they do at their first boot, single machines and groups alike, within the isolation policies", async () => {
    const firstBoot = [{ machines: "web-*", disableUnits: ["crond.service"] }];
    const all = await record({ topology: threeZoneAws, firstBoot, autoScalingGroups: ["web"] });
    const [template] = only(all, "aws:ec2/launchTemplate:LaunchTemplate");
    const text = Buffer.from(template!.inputs.userData as string, "base64").toString();
    assert.match(text, /^#cloud-boothook\n#!\/bin\/sh\n[^]*'crond.service'/);
    const single = await record({ topology: smallAws, firstBoot });
    assert.equal(named(single, "shop-machine-web-1").userData, text);
    assert.ok(!("userData" in named(single, "shop-machine-app-1")));
    const rules = loadRules(join(__dirname, "..", "..", "policies", "isolation"));
    assert.deepEqual(await violations(rules, asStack(single, "shadownet:index:AwsShadowNetwork")), []);
  });

  it("takes no image of a machine in another account", async () => {
    const state = [{ machines: "app-1", disk: "snapshot" as const }];
    assert.throws(() => ofSameAccount("i-1", shadowAccount, "111122223333"), /account 111122223333, and it stands in/);
    const same = await record({ topology: smallAws, state });
    assert.equal(named(same, "shop-image-app-1").snapshotWithoutReboot, true);
  });

  it("attaches further interfaces, keeps the order of addresses, and forwards where production does", async () => {
    const topology = structuredClone(hostileAws);
    topology.loadBalancers = [];
    topology.dnsZones!.pop();
    const state = ["old", "windows"].map((machines) => ({ machines, disk: "snapshot" as const }));
    const settings = { applianceCidr: "100.65.0.0/20", rangeQuota: 6, state };
    const all = await record({ topology, ...settings });
    assert.deepEqual(named(all, "shop-interface-router/eth1").privateIpLists, ["10.40.2.10", "10.40.2.11"]);
    assert.equal(named(all, "shop-interface-router/eth1").sourceDestCheck, false);
    assert.equal(named(all, "shop-interface-use-router/eth1").deviceIndex, 1);
    assert.deepEqual(
      named(all, "shop-route-Main/euc1-az2-192.168.0.0/16").networkInterfaceId,
      "shop-interface-router/eth0-id",
    );
    const images = only(all, "aws:ec2/amiFromInstance:AmiFromInstance");
    assert.deepEqual(
      images.map(({ name, inputs }) => [name, inputs.sourceInstanceId, inputs.snapshotWithoutReboot]).sort(),
      [
        ["shop-image-old", "i-00000000000000002", true],
        ["shop-image-windows", "i-00000000000000006", true],
      ],
    );
    const names = all.flatMap(({ inputs }) => (typeof inputs.name === "string" ? [inputs.name] : []));
    assert.equal(new Set(names).size, names.length, "long names stay apart");
  });

  it("restores the database with the shadow's key, reached by nobody outside, at the name that machines know", () => {
    assert.equal(named(small, "shop-database-copy-shop-db").kmsKeyId, arnOf("aws:kms/key:Key", "shop-key"));
    const database = named(small, "shop-database-shop-db");
    assert.equal(database.publiclyAccessible, false);
    assert.deepEqual(database.vpcSecurityGroupIds, ["shop-group-db-id", "shop-database-marker-shop-db-id"]);
    assert.ok(!("password" in database) && !("masterPassword" in database));
    const host = "shop-db.c1a2b3c4d5e6.eu-central-1.rds.amazonaws.com";
    assert.deepEqual(named(small, `shop-zone-${host}`).name, host);
    assert.deepEqual(named(small, `shop-record-${host}/${host}/A`).records, ["10.20.10.200"]);
  });

  it("lets nobody but roles of the shadow through its endpoints", () => {
    const roles = `arn:aws:iam::${productionAccount}:role/shadownet/shop-dev/*`;
    for (const { name, inputs } of only(small, "aws:ec2/vpcEndpoint:VpcEndpoint")) {
      const { Statement } = JSON.parse(inputs.policy as string) as {
        Statement: { Sid: string; Resource: string[]; Condition?: Record<string, Record<string, string>> }[];
      };
      for (const { Sid, Resource, Condition } of Statement) {
        if (Sid === "BucketsOfAws") {
          assert.ok(
            Resource.every((bucket) => /^arn:aws:s3:::[a-z0-9-]+\/\*$/.test(bucket)),
            name,
          );
          continue;
        }
        assert.deepEqual(Condition!.ArnLike, { "aws:PrincipalArn": roles }, name);
        assert.deepEqual(Condition!.StringEquals, { "aws:PrincipalAccount": productionAccount }, name);
      }
    }
    for (const { inputs } of only(small, "aws:iam/role:Role")) {
      assert.equal(inputs.path, "/shadownet/shop-dev/");
      assert.equal(inputs.permissionsBoundary, arnOf("aws:iam/policy:Policy", "shop-boundary"));
    }
  });

  it("tags everything that can have tags with the shadow, the part, the machine and the user's own", () => {
    const made = small.filter(({ type }) => type.startsWith("aws:"));
    const untagged = made.filter(({ inputs }) => (inputs.tags as Record<string, string> | undefined) === undefined);
    const kinds = [...new Set(untagged.map(({ type }) => type.split(":").at(-1)!))].sort();
    assert.deepEqual(kinds, [
      "Record",
      "ResolverFirewallConfig",
      "ResolverFirewallRule",
      "RolePolicy",
      "Route",
      "RouteTableAssociation",
      "TargetGroupAttachment",
      "VpcDhcpOptionsAssociation",
      "VpcIpv4CidrBlockAssociation",
    ]);
    for (const { name, inputs } of made.filter((one) => !untagged.includes(one))) {
      const tags = inputs.tags as Record<string, string>;
      assert.equal(tags["shadownet:shadow"], "shop-dev", name);
      assert.ok(["network", "machine", "gateway"].includes(tags["shadownet:role"]!), name);
      assert.equal(tags.team, "shop", name);
    }
    assert.equal((named(small, "shop-machine-web-1").tags as Record<string, string>)["shadownet:machine"], "web-1");
  });

  it("leaves every other child as it was when machines are added", async () => {
    const before = await record({ topology: threeZoneAws });
    const after = await record({ topology: threeZoneAws, scale: [{ machines: "app-a-*", replicas: 10 }] });
    const known = new Map(after.map((one) => [one.name, one.inputs]));
    for (const { name, inputs } of before.filter(({ type }) => type.startsWith("aws:"))) {
      assert.deepEqual(known.get(name), inputs, name);
    }
    const added = after.filter(({ name }) => !before.some((one) => one.name === name)).map(({ name }) => name);
    assert.deepEqual(added.sort(), [
      "shop-interface-app-a-10/eth0",
      "shop-interface-app-a-9/eth0",
      "shop-machine-app-a-10",
      "shop-machine-app-a-9",
      "shop-target-app/app/app-a-10/8080",
      "shop-target-app/app/app-a-9/8080",
    ]);
  });

  it("gives every child the caller's provider and the component as its ancestor", async () => {
    const all = await recordResources(() => {
      const provider = new TestProvider("mine");
      new AwsShadowNetwork("shop", full, { providers: [provider] });
    }, productionAccount);
    const children = all.filter(({ type }) => type.startsWith("aws:"));
    assert.equal(children.length, golden("awsNetwork").length - 1);
    for (const { name, provider } of children) assert.match(provider, /pulumi:providers:aws::mine::mine-id$/, name);
    const tree = pulumi.runtime.getMonitor() as unknown as { getRegisteredResources: () => Map<string, unknown> };
    const urns = [...tree.getRegisteredResources().keys()].filter((urn) => urn.includes("aws:"));
    const orphans = urns.filter(
      (urn) => !urn.includes("shadownet:index:AwsShadowNetwork$") && !urn.includes("pulumi:providers"),
    );
    assert.deepEqual(orphans, []);
  });

  it("gives out what the other parts need, with an entry for each machine, link and zone", async () => {
    let reference: AwsShadowReference | undefined;
    await recordResources(() => {
      new AwsShadowNetwork("shop", full).reference.apply((value) => (reference = value));
    }, productionAccount);
    assert.deepEqual(Object.keys(reference!.machineIds), ["web-1", "web-2", "app-1"]);
    assert.deepEqual(Object.keys(reference!.interfaceIds), ["web-1/eth0", "web-2/eth0", "app-1/eth0"]);
    assert.deepEqual(Object.keys(reference!.endpointIds).sort(), [
      "ec2",
      "ec2messages",
      "logs",
      "monitoring",
      "s3",
      "ssm",
      "ssmmessages",
    ]);
    assert.deepEqual(
      reference!.zones.map(({ zoneId, gatewayAddress }) => [zoneId, gatewayAddress]),
      [
        ["euc1-az2", "100.64.2.4"],
        ["euc1-az3", "100.64.3.4"],
      ],
    );
    assert.equal(reference!.accountId, productionAccount);
    assert.equal(reference!.rolePath, "/shadownet/shop-dev/");
    assert.deepEqual(reference!.cidrs, ["10.20.0.0/16", "100.64.0.0/20"]);
  });

  it("holds no secret in what it makes", () => {
    const made = small.filter(({ type }) => type.startsWith("aws:"));
    assert.ok(!/password|secretString|userData"|keyName/i.test(JSON.stringify(made.map(({ inputs }) => inputs))));
  });

  it("passes the isolation policies, with groups and a restored cluster too", async () => {
    const rules = loadRules(join(__dirname, "..", "..", "policies", "isolation"));
    const component = "shadownet:index:AwsShadowNetwork";
    assert.deepEqual(await violations(rules, asStack(small, component)), []);
    const large = await record({
      topology: threeZoneAws,
      boundaries: [{ name: "store-db", restore: true }],
      autoScalingGroups: ["web"],
    });
    assert.deepEqual(await violations(rules, asStack(large, component)), []);
    const open = asStack(small, component).map((one) =>
      one.name === "shop-machine-web-1" ? { ...one, props: { ...one.props, metadataOptions: {} } } : one,
    );
    assert.notDeepEqual(await violations(rules, open), [], "the policies look at these resources");
  });

  it("refuses everything that is wrong in one error, before it makes anything", async () => {
    let all: RecordedResource[] = [];
    await assert.rejects(
      async () => (all = await record({ topology: hostileAws, state: [{ machines: "*", memory: true }] })),
      (error: unknown) => {
        assert.ok(pulumi.InputPropertiesError.isInstance(error));
        assert.equal(error.errors.length, 8);
        return true;
      },
    );
    assert.deepEqual(all, []);
  });
});

/** A provider of the name of the real one, which is not started under mocks. */
class TestProvider extends pulumi.ProviderResource {
  constructor(name: string) {
    super("aws", name, {});
  }
}
