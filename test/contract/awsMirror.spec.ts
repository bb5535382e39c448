import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";

import { AwsTrafficMirror, type AwsTrafficMirrorArgs, type AwsTrafficMirrorOptions } from "../../components/aws/mirror";
import { AwsShadowNetwork } from "../../components/aws/network";
import type { Topology } from "../../components/topology";
import { loadRules } from "../../policies/pack";
import { type RecordedResource, arnOf, asStack, recordResources } from "../support/awsMocks";
import { shadowAccount } from "../support/awsShadow";
import { hostileAws, smallAws, threeZoneAws } from "../support/awsTopologies";
import { productionAccount } from "../support/awsTopologyParts";
import { type StackResource, violations } from "../support/policyStack";

const golden = (name: string): string[] =>
  JSON.parse(readFileSync(join(__dirname, "golden", `${name}.json`), "utf8")) as string[];

type Settings = Omit<AwsTrafficMirrorArgs, "shadow" | "topology">;

/** Everything that a network with a mirror registers. */
async function recordAll(
  topology: Topology,
  settings: Settings = {},
  options: () => AwsTrafficMirrorOptions = () => ({}),
  account?: string,
): Promise<RecordedResource[]> {
  return recordResources(() => {
    const network = new AwsShadowNetwork("shop", { topology, copySnapshots: true });
    new AwsTrafficMirror("mirror", { shadow: network.reference, topology, ...settings }, options());
  }, account);
}

/** The mirror's part of it. */
async function record(...given: Parameters<typeof recordAll>): Promise<RecordedResource[]> {
  return (await recordAll(...given)).filter(({ name }) => name.startsWith("mirror"));
}

const inputsOf = (all: readonly RecordedResource[], name: string): Record<string, unknown> => {
  const found = all.filter((one) => one.name === name);
  assert.equal(found.length, 1, `resources called ${name}`);
  return found[0]!.inputs;
};
const count = (all: readonly RecordedResource[], kind: string): number =>
  all.filter(({ type }) => type.endsWith(`:${kind}`)).length;
const productionKinds = [
  "VpcEndpoint",
  "TrafficMirrorTarget",
  "TrafficMirrorFilter",
  "TrafficMirrorFilterRule",
  "TrafficMirrorSession",
];
const isProductions = ({ type }: RecordedResource): boolean => productionKinds.includes(type.split(":").at(-1)!);

class TestProvider extends pulumi.ProviderResource {
  constructor(name: string) {
    super("aws", name, {});
  }
}

describe("AwsTrafficMirror with Pulumi's mocks", function () {
  this.timeout(120_000);
  let small: RecordedResource[];

  before(async () => {
    small = await record(smallAws, { percent: 10, seed: 7, tags: { team: "shop" } });
  });

  it("registers these children; a renamed one would be replaced at every user's", () => {
    assert.deepEqual(small.map(({ type, name }) => `${type} ${name}`).sort(), golden("awsMirror"));
  });

  it("makes as many of each as the large topology has zones and sources", async () => {
    const large = await record(threeZoneAws, { percent: 5 });
    const kinds = ["Group", "LaunchTemplate", "VpcEndpoint", "VpcEndpointConnectionAccepter", "TrafficMirrorTarget"];
    assert.deepEqual(
      kinds.map((kind) => count(large, kind)),
      [3, 3, 3, 3, 3],
    );
    assert.deepEqual([count(large, "TrafficMirrorSession"), count(large, "MetricAlarm")], [24, 24]);
    assert.deepEqual([count(large, "TrafficMirrorFilter"), count(large, "TrafficMirrorFilterRule")], [1, 2]);
    assert.deepEqual(
      [count(large, "LoadBalancer"), count(large, "VpcEndpointService"), count(large, "NetworkAcl")],
      [1, 1, 1],
    );
  });

  it("copies both directions of the service's port to the zone's own endpoint, cut where the load balancer would drop", () => {
    const rule = (slot: string): Record<string, unknown> => inputsOf(small, `mirror-rule-accept-1-${slot}`);
    assert.deepEqual(rule("ingress").destinationPortRange, { fromPort: 80, toPort: 80 });
    assert.deepEqual(rule("egress").sourcePortRange, { fromPort: 80, toPort: 80 });
    assert.deepEqual([rule("ingress").trafficDirection, rule("egress").trafficDirection], ["ingress", "egress"]);
    const session = inputsOf(small, "mirror-session-web-2/eth0");
    assert.equal(session.trafficMirrorTargetId, "mirror-target-euc1-az3-id");
    assert.equal(session.networkInterfaceId, smallAws.machines[1]!.interfaces[0]!.aws!.id);
    assert.deepEqual([session.packetLength, session.sessionNumber], [8446, 1]);
    const target = inputsOf(small, "mirror-target-euc1-az3");
    assert.equal(target.gatewayLoadBalancerEndpointId, "mirror-endpoint-euc1-az3-id");
    const endpoint = inputsOf(small, "mirror-endpoint-euc1-az3");
    assert.deepEqual([endpoint.vpcEndpointType, endpoint.vpcId], ["GatewayLoadBalancer", smallAws.aws!.vpcId]);
    assert.equal((endpoint.subnetIds as string[]).length, 1);
    const service = inputsOf(small, "mirror-service");
    assert.deepEqual(service.allowedPrincipals, [`arn:aws:iam::${productionAccount}:root`]);
    assert.equal(service.acceptanceRequired, true);
  });

  it("keeps flows in their zone and on one gateway, and lets no copy back", () => {
    assert.equal(inputsOf(small, "mirror-balancer").enableCrossZoneLoadBalancing, false);
    const targets = inputsOf(small, "mirror-targets");
    assert.deepEqual(targets.stickiness, { enabled: true, type: "source_ip_dest_ip" });
    assert.deepEqual([targets.protocol, targets.port], ["GENEVE", 6081]);
    const { egress, subnetIds } = inputsOf(small, "mirror-diode");
    assert.deepEqual(
      (egress as Record<string, unknown>[]).map(({ ruleNo, action, fromPort }) => [ruleNo, action, fromPort]),
      [
        [10, "deny", 6081],
        [20, "deny", 4789],
        [100, "allow", 0],
      ],
    );
    assert.equal((subnetIds as string[]).length, 2);
  });

  it("starts gateways without key, address or way out, one a zone, and replaces them when what they run changes", () => {
    const template = inputsOf(small, "mirror-gateway-template-euc1-az2");
    assert.deepEqual(template.metadataOptions, {
      httpEndpoint: "enabled",
      httpTokens: "required",
      httpPutResponseHopLimit: 1,
    });
    const [card] = template.networkInterfaces as Record<string, unknown>[];
    assert.equal(card!.associatePublicIpAddress, "false");
    assert.ok(!("keyName" in template));
    assert.match(
      template.imageId as string,
      /^resolve:ssm:\/aws\/service\/ami-amazon-linux-latest\/al2023-ami-kernel-default-x86_64$/,
    );
    const [disk] = template.blockDeviceMappings as { ebs: Record<string, unknown> }[];
    assert.deepEqual([disk!.ebs.encrypted, disk!.ebs.kmsKeyId], ["true", arnOf("aws:kms/key:Key", "shop-key")]);
    const script = Buffer.from(template.userData as string, "base64").toString();
    const { key, sourceHash } = inputsOf(small, "mirror-archive");
    assert.match(key as string, /^gateway\/[0-9a-f]{64}\.tar\.gz$/);
    for (const text of [
      key as string,
      sourceHash as string,
      inputsOf(small, "mirror-boot").key as string,
      "100.64.2.4",
    ]) {
      assert.ok(script.includes(text), text);
    }
    const group = inputsOf(small, "mirror-gateways-euc1-az2");
    assert.deepEqual([group.minSize, group.maxSize, group.healthCheckType], [1, 1, "ELB"]);
    assert.deepEqual(group.vpcZoneIdentifiers, ["shop-gateway-subnet-euc1-az2-id"]);
    assert.deepEqual(group.targetGroupArns, [arnOf("aws:lb/targetGroup:TargetGroup", "mirror-targets")]);
    assert.deepEqual((group.instanceRefresh as { preferences: object }).preferences, {
      minHealthyPercentage: 0,
      instanceWarmup: "60",
    });
  });

  it("starts closed, and is steered by two parameters alone", () => {
    assert.deepEqual(
      [inputsOf(small, "mirror-intake").insecureValue, inputsOf(small, "mirror-intake").name],
      ["closed", "/shadownet/shop-dev/mirror/intake"],
    );
    const settings = JSON.parse(inputsOf(small, "mirror-settings").insecureValue as string) as Record<string, unknown>;
    assert.deepEqual(settings, { percent: 10, seed: 7, sampleBy: "flow", exclude: [] });
    const policy = JSON.parse(inputsOf(small, "mirror-gateway-policy").policy as string) as {
      Statement: Record<string, unknown>[];
    };
    const read = policy.Statement.find(({ Sid }) => Sid === "ReadSettings")!;
    assert.deepEqual(
      read.Resource,
      ["settings", "intake"].map(
        (one) => `arn:aws:ssm:eu-central-1:${shadowAccount}:parameter/shadownet/shop-dev/mirror/${one}`,
      ),
    );
  });

  it("changes one parameter and nothing else when the share changes or only gateways can tell a selector", async () => {
    const before = await record(smallAws, { percent: 10 });
    for (const settings of [
      { percent: 30 },
      { percent: 10, seed: 8 },
      { percent: 10, sampleBy: "client" as const },
      { percent: 10, exclude: [{ application: "ssh" }] },
    ]) {
      const after = await record(smallAws, settings);
      assert.deepEqual(after.map(({ name }) => name).sort(), before.map(({ name }) => name).sort());
      const changed = after.filter(
        ({ type, name, inputs }) =>
          type.startsWith("aws:") && JSON.stringify(inputs) !== JSON.stringify(inputsOf(before, name)),
      );
      assert.deepEqual(
        changed.map(({ name }) => name),
        ["mirror-settings"],
        JSON.stringify(settings),
      );
    }
  });

  it("changes filter rules where they stand when a selector changes addresses or ports", async () => {
    const include = (port: string): Settings => ({ include: [{ protocol: "tcp", destinationPorts: [port] }] });
    const before = await record(smallAws, include("80"));
    const after = await record(smallAws, include("81"));
    const changed = after.filter(
      ({ type, name, inputs }) =>
        type.startsWith("aws:") && JSON.stringify(inputs) !== JSON.stringify(inputsOf(before, name)),
    );
    assert.deepEqual(changed.map(({ name }) => name).sort(), [
      "mirror-rule-accept-1-egress",
      "mirror-rule-accept-1-ingress",
      "mirror-settings",
    ]);
  });

  it("gives production its own provider and nothing but the mirror, and the shadow's provider everything else", async () => {
    const all = await recordResources(() => {
      const shadow = new TestProvider("shadow");
      const productionProvider = new TestProvider("production");
      const network = new AwsShadowNetwork(
        "shop",
        { topology: smallAws, copySnapshots: true },
        { providers: [shadow] },
      );
      new AwsTrafficMirror(
        "mirror",
        { shadow: network.reference, topology: smallAws },
        { providers: [shadow], productionProvider },
      );
    });
    const own = all.filter(({ type, name }) => name.startsWith("mirror") && type.startsWith("aws:"));
    for (const resource of own) {
      const expected = isProductions(resource) ? "production" : "shadow";
      assert.match(resource.provider, new RegExp(`::${expected}::${expected}-id$`), resource.name);
    }
    const roles = own
      .filter(isProductions)
      .map(({ inputs }) => (inputs.tags as Record<string, string> | undefined)?.["shadownet:role"]);
    assert.deepEqual([...new Set(roles)], ["production", undefined], "filter rules have no tags");
    const tree = pulumi.runtime.getMonitor() as unknown as { getRegisteredResources: () => Map<string, unknown> };
    const urns = [...tree.getRegisteredResources().keys()].filter(
      (urn) => /aws:/.test(urn) && urn.includes("::mirror"),
    );
    for (const urn of urns) {
      const production = productionKinds.some((kind) => urn.includes(`:${kind}::`));
      assert.ok(
        urn.includes(production ? "shadownet:index:AwsMirrorSources$" : "shadownet:index:AwsTrafficMirror$"),
        urn,
      );
    }
  });

  it("reads production's metrics from its own account where that is another one", async () => {
    const account = (all: readonly RecordedResource[]): unknown => {
      const [query] = inputsOf(all, "mirror-guard-web-1").metricQueries as Record<string, unknown>[];
      return query!.accountId;
    };
    assert.equal(account(small), productionAccount);
    assert.equal(account(await record(smallAws, {}, undefined, productionAccount)), undefined);
  });

  it("has one alarm over those of all sources, by way of others where they are too many for one rule", async () => {
    const rule = (all: readonly RecordedResource[], name: string): unknown => inputsOf(all, name).alarmRule;
    assert.equal(rule(small, "mirror-guard"), 'ALARM("mirror-guard-web-1") OR ALARM("mirror-guard-web-2")');
    assert.equal(inputsOf(small, "mirror-guard").alarmName, "shop-dev-mirror-guard");
    const many = await record(threeZoneAws, { sources: ["*"] });
    const names = many.flatMap(({ type, name }) => (type.endsWith(":MetricAlarm") ? [name] : []));
    assert.ok(names.length > 35, `${names.length} alarms`);
    const parts = ["mirror-guard-part-1", "mirror-guard-part-2"].map((part) => String(rule(many, part)).split(" OR "));
    assert.deepEqual(
      parts.flat(),
      names.map((name) => `ALARM("${name}")`),
    );
    assert.equal(parts[0]!.length, 35);
    const whole = 'ALARM("shop-dev-mirror-guard-part-1") OR ALARM("shop-dev-mirror-guard-part-2")';
    assert.equal(rule(many, "mirror-guard"), whole);
  });

  it("uses the gateways' own addresses where several share a zone", async () => {
    const several = await record(smallAws, { gatewaysPerZone: 3, gatewayInstanceType: "c6i.xlarge" });
    const group = inputsOf(several, "mirror-gateways-euc1-az3");
    assert.deepEqual([group.minSize, group.desiredCapacity], [3, 3]);
    const boot = JSON.parse(inputsOf(several, "mirror-boot").content as string) as { basis: { source: string } };
    assert.equal(boot.basis.source, "any");
    const policy = inputsOf(several, "mirror-gateway-policy").policy as string;
    assert.doesNotMatch(policy, /AttachNetworkInterface/);
    const script = Buffer.from(
      inputsOf(several, "mirror-gateway-template-euc1-az3").userData as string,
      "base64",
    ).toString();
    assert.match(script, /^standing=''$/m);
  });

  it("copies to the gateway's own interface where that is asked for", async () => {
    const direct = await record(smallAws, { targetMode: "networkInterface" });
    assert.deepEqual(
      ["LoadBalancer", "VpcEndpoint", "VpcEndpointService"].map((kind) => count(direct, kind)),
      [0, 0, 0],
    );
    assert.equal(inputsOf(direct, "mirror-target-euc1-az2").networkInterfaceId, "shop-gateway-interface-euc1-az2-id");
    const rule = inputsOf(direct, "mirror-intake-web-1/eth0");
    assert.deepEqual([rule.fromPort, rule.ipProtocol, rule.cidrIpv4], [4789, "udp", "10.20.10.11/32"]);
    assert.ok(!("packetLength" in inputsOf(direct, "mirror-session-web-1/eth0")));
    const boot = JSON.parse(inputsOf(direct, "mirror-boot").content as string) as { intake: string };
    assert.equal(boot.intake, "vxlan");
  });

  it("passes the isolation policies together with the network", async () => {
    const rules = loadRules(join(__dirname, "..", "..", "policies", "isolation"));
    const config = {
      "isolation-forbid-production-references": { productionAccounts: [productionAccount] },
      "isolation-restrict-endpoint-service": { productionAccounts: [productionAccount] },
    };
    const stackOf = (all: RecordedResource[]): StackResource[] =>
      asStack(all, "shadownet:index:AwsTrafficMirror").map((one) =>
        isProductions({ ...one, inputs: one.props, provider: "" }) && one.name.startsWith("mirror")
          ? { ...one, components: ["shadownet:index:AwsTrafficMirror", "shadownet:index:AwsMirrorSources"] }
          : one,
      );
    const stack = stackOf(await recordAll(smallAws, { percent: 10 }));
    assert.deepEqual(await violations(rules, stack, config), []);
    const open = stack.filter(({ name }) => name !== "mirror-diode");
    assert.notDeepEqual(await violations(rules, open, config), [], "the policies look at the diode");
  });

  it("refuses a hostile network with every problem in one error, before it makes anything of the mirror", async () => {
    let registered: RecordedResource[] = [];
    await assert.rejects(
      async () => {
        registered = await recordResources(() => {
          const shadow = { shadowName: "x" } as unknown as AwsTrafficMirrorArgs["shadow"];
          new AwsTrafficMirror("mirror", { shadow, topology: hostileAws, percent: 200 });
        });
      },
      (error: unknown) => {
        assert.ok(pulumi.InputPropertiesError.isInstance(error));
        assert.deepEqual(
          error.errors.map(({ propertyPath }) => propertyPath),
          ["percent"],
        );
        return true;
      },
    );
    assert.deepEqual(registered, []);
    const shadow = { shadowName: "x" } as unknown as AwsTrafficMirrorArgs["shadow"];
    await assert.rejects(
      recordResources(() => new AwsTrafficMirror("mirror", { shadow, topology: hostileAws })),
      (error: unknown) => {
        assert.ok(pulumi.InputPropertiesError.isInstance(error));
        assert.equal(error.errors.length, 6);
        return true;
      },
    );
  });
});
