import assert from "node:assert/strict";

import fc from "fast-check";

import { planAwsNetwork } from "../../../components/aws/network/plan";
import type { AwsNetworkPlan, AwsNetworkSettings } from "../../../components/aws/network/planTypes";
import { type AwsCheckedSettings, awsNetworkProblems } from "../../../components/aws/network/problems";
import { cidrContains, cidrsOverlap, hostRange } from "../../../components/internal/cidr";
import type { Topology } from "../../../components/topology";
import { hostileAws, smallAws, threeZoneAws } from "../../support/awsTopologies";

const changed = (topology: Topology, change: (copy: Topology) => void): Topology => {
  const copy = structuredClone(topology);
  change(copy);
  return copy;
};
const paths = (topology: Topology, settings: AwsCheckedSettings): string[] =>
  awsNetworkProblems(topology, settings).map(({ path }) => path);
const reasonAt = (topology: Topology, settings: AwsCheckedSettings, path: string): string =>
  awsNetworkProblems(topology, settings).find((problem) => problem.path === path)?.reason ?? "";

describe("what a shadow on AWS refuses", () => {
  it("is nothing of a small and a large network", () => {
    assert.deepEqual(awsNetworkProblems(smallAws, {}), []);
    assert.deepEqual(awsNetworkProblems(threeZoneAws, { boundaries: [{ name: "store-db", restore: true }] }), []);
  });

  it("is named all at once of a hostile one, each with its cure", () => {
    assert.deepEqual(paths(hostileAws, {}), [
      "applianceCidr",
      "rangeQuota",
      "topology.machines[1].aws.imageId",
      "topology.machines[5].aws.newestImageId",
      "topology.loadBalancers[1].aws.subnets",
      "topology.loadBalancers[2].aws.subnets",
      "topology.dnsZones[1].name",
    ]);
    assert.match(reasonAt(hostileAws, {}, "applianceCidr"), /for example 100\.65\.0\.0\/20/);
    assert.match(reasonAt(hostileAws, {}, "rangeQuota"), /needs 6 IPv4 ranges.*`rangeQuota: 6`/);
    const cured = changed(hostileAws, (copy) => {
      copy.dnsZones!.pop();
      copy.loadBalancers = copy.loadBalancers!.slice(0, 1);
    });
    const state = ["old", "windows"].map((machines) => ({ machines, disk: "snapshot" as const }));
    assert.deepEqual(paths(cured, { applianceCidr: "100.65.0.0/20", rangeQuota: 6, state }), []);
  });

  it("are settings that AWS cannot honour", () => {
    const settings: AwsCheckedSettings = {
      scale: [
        { machines: "wbe-*", replicas: 2 },
        { machines: "app-1", cpus: 4, memoryMegabytes: 1024, type: "huge" },
        { machines: "web-*", replicas: 1.5 },
      ],
      state: [{ machines: "*", memory: true }],
      boundaries: [
        { name: "internet", replacement: "reject" },
        { name: "nat-a", restore: true },
        { name: "shop-db", restore: true, replacement: "sink" },
        { name: "shopdb", restore: true },
      ],
      autoScalingGroups: ["web"],
      applianceCidr: "10.0.0.0/20",
      rangeQuota: 0,
      shadowName: "no spaces",
      buckets: ["*"],
      tags: { "shadownet:shadow": "other" },
    };
    assert.deepEqual(paths(smallAws, settings).sort(), [
      "applianceCidr",
      "autoScalingGroups[0]",
      "boundaries[0].replacement",
      "boundaries[1].restore",
      "boundaries[2].replacement",
      "boundaries[3].name",
      "buckets[0]",
      "rangeQuota",
      "scale[0].machines",
      "scale[1].cpus",
      "scale[1].memoryMegabytes",
      "scale[1].type",
      "scale[2].replicas",
      "shadowName",
      "state[0].memory",
      "tags.shadownet:shadow",
    ]);
  });

  it("are instance types that the image or the interfaces do not fit", () => {
    const scale = (type: string): AwsCheckedSettings => ({ scale: [{ machines: "app-a-1", type }] });
    const wide = changed(threeZoneAws, (copy) => {
      const [card] = copy.machines.find(({ name }) => name === "app-a-1")!.interfaces;
      card!.addresses.push(...Array.from({ length: 15 }, (_, at) => `10.30.32.${100 + at}`));
    });
    const architecture = threeZoneAws.machines.find(({ name }) => name === "app-a-1")!.aws!.architecture;
    const other = architecture === "arm64" ? "m6i.large" : "c6g.xlarge";
    assert.match(reasonAt(threeZoneAws, scale(other), "scale[0].type"), /take a type of/);
    assert.match(reasonAt(wide, scale(other), "scale[0].type"), /take a type of/);
    assert.ok(awsNetworkProblems(wide, {}).some(({ reason }) => /at most 15 addresses/.test(reason)));
    assert.match(reasonAt(threeZoneAws, scale("mac2.metal"), "scale[0].type"), /dedicated host/);
  });

  it("is a scale that a subnet has no room for, or that means only machines of EKS", () => {
    assert.match(
      reasonAt(smallAws, { scale: [{ machines: "app-1", replicas: 300 }] }, "scale"),
      /no free address left/,
    );
    const settings = { applianceCidr: "100.65.0.0/20", scale: [{ machines: "eks-*", replicas: 3 }] };
    assert.match(reasonAt(hostileAws, settings, "scale[0].machines"), /EKS or ECS/);
  });

  it("is a topology that was not captured from AWS", () => {
    const foreign = changed(smallAws, (copy) => {
      delete copy.aws;
    });
    assert.deepEqual(paths(foreign, {}), ["topology.aws"]);
    const half = changed(smallAws, (copy) => {
      delete copy.machines[0]!.aws;
      delete copy.networks[0]!.subnets[1]!.aws;
      delete copy.source!.region;
      copy.networks[0]!.subnets[2]!.aws!.zoneId = "eu-central-1a";
    });
    assert.deepEqual(paths(half, {}), [
      "topology.source.region",
      "topology.networks[0].subnets[1].aws",
      "topology.networks[0].subnets[2].aws.zoneId",
      "topology.machines[0].aws",
    ]);
  });

  it("is a database that cannot be restored", () => {
    const settings = {
      applianceCidr: "100.65.0.0/20",
      boundaries: [
        { name: "orders-without-snapshot", restore: true },
        { name: "orders", restore: true },
      ],
    };
    assert.match(reasonAt(hostileAws, settings, "boundaries[0].restore"), /lacks a snapshot/);
    assert.match(reasonAt(hostileAws, settings, "boundaries[1].restore"), /two zones, and its subnets lie in 1/);
  });
});

describe("any plan of a shadow's network on AWS", () => {
  const settings = fc.record({
    scale: fc.array(
      fc.record({
        machines: fc.constantFrom("web-a-*", "app-*", "data-b-1", "*-c-*"),
        replicas: fc.integer({ min: 1, max: 40 }),
      }),
      { maxLength: 3 },
    ),
    state: fc.array(
      fc.record({ machines: fc.constantFrom("*", "data-*"), disk: fc.constantFrom("none", "latest", "snapshot") }),
      { maxLength: 2 },
    ),
    boundaries: fc.constantFrom([], [{ name: "store-db", restore: true }]),
    autoScalingGroups: fc.constantFrom([], ["web"]),
    applianceCidr: fc.constantFrom("100.64.0.0/20", "100.100.16.0/23", "100.96.0.0/16"),
  }) as fc.Arbitrary<AwsNetworkSettings>;

  it("gives no address twice and none that AWS keeps, resolves every name, and lets nothing out", () => {
    fc.assert(
      fc.property(settings, (given_) => {
        const plan = planAwsNetwork(threeZoneAws, given_);
        checkAddresses(plan);
        checkReferences(plan);
        for (const { rules } of plan.securityGroups) {
          for (const { direction, cidr } of rules) {
            if (direction !== "egress" || cidr === undefined) continue;
            assert.ok(
              plan.ranges.some((range) => cidrContains(range, cidr)),
              cidr,
            );
          }
        }
        for (const { routes } of plan.routeTables) {
          for (const route of routes) assert.deepEqual(Object.keys(route).length, 2, JSON.stringify(route));
        }
      }),
      { numRuns: 60 },
    );
  });
});

function checkAddresses(plan: AwsNetworkPlan): void {
  const cards = plan.machines.flatMap(({ interfaces }) => interfaces);
  const addresses = [
    ...cards.flatMap((card) => card.addresses),
    ...plan.appliances.zones.map(({ gatewayAddress }) => gatewayAddress),
  ];
  assert.equal(new Set(addresses).size, addresses.length);
  for (const { subnet, addresses: own } of cards) {
    const { cidr } = plan.subnets.find(({ name }) => name === subnet)!;
    for (const address of own) {
      assert.ok(cidrContains(cidr, hostRange(address)));
      assert.ok(!/\.(0|1|2|3|255)$/.test(address), address);
    }
  }
  const { zones, endpointsCidr, cidr } = plan.appliances;
  const parts = [endpointsCidr, ...zones.flatMap((zone) => [zone.gatewayCidr, zone.loadBalancerCidr])];
  for (const [index, part] of parts.entries()) {
    assert.ok(cidrContains(cidr, part));
    assert.ok(parts.slice(index + 1).every((other) => !cidrsOverlap(part, other)));
  }
}

function checkReferences(plan: AwsNetworkPlan): void {
  const subnets = new Set(plan.subnets.map(({ name }) => name));
  const groups = new Set(plan.securityGroups.map(({ name }) => name));
  const machines = new Set(plan.machines.map(({ name }) => name));
  const images = new Set(plan.images.map(({ machine }) => machine));
  const links = new Set(plan.machines.flatMap(({ interfaces }) => interfaces.map(({ link }) => link)));
  const targets = new Set(plan.balancers.flatMap(({ targetGroups }) => targetGroups.map(({ key }) => key)));
  for (const { interfaces, imageOf, imageId } of [...plan.machines, ...plan.groups.map(({ template }) => template)]) {
    assert.ok(imageOf === undefined ? imageId !== undefined : images.has(imageOf));
    for (const card of interfaces) {
      assert.ok(subnets.has(card.subnet) && card.securityGroups.every((group) => groups.has(group)));
    }
  }
  for (const { subnets: own, routes } of plan.routeTables) {
    assert.ok(own.every((subnet) => subnets.has(subnet)));
    assert.ok(routes.every(({ link }) => link === undefined || links.has(link)));
  }
  for (const { rules } of plan.securityGroups) {
    assert.ok(rules.every(({ group }) => group === undefined || groups.has(group)));
  }
  for (const { listeners, targetGroups } of plan.balancers) {
    assert.ok(targetGroups.every((group) => group.targets.every(({ machine }) => machines.has(machine))));
    const forwarded = listeners.flatMap((one) => [one.targetGroup, ...one.rules.map((rule) => rule.targetGroup)]);
    assert.ok(forwarded.every((key) => key === undefined || targets.has(key)));
  }
  assert.deepEqual(
    plan.groups.flatMap((group) => group.targetGroups.filter((key) => !targets.has(key))),
    [],
  );
  assert.deepEqual(
    plan.routeTables.flatMap((table) => table.subnets).sort(),
    [...subnets].sort(),
    "every subnet has exactly one table",
  );
}
