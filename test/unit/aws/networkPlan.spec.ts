import assert from "node:assert/strict";

import { planAwsNetwork } from "../../../components/aws/network/plan";
import type { AwsNetworkPlan, AwsNetworkSettings } from "../../../components/aws/network/planTypes";
import type { Topology } from "../../../components/topology";
import { validateTopology } from "../../../components/topologySchema";
import { hostileAws, smallAws, threeZoneAws } from "../../support/awsTopologies";

const changed = (topology: Topology, change: (copy: Topology) => void): Topology => {
  const copy = structuredClone(topology);
  change(copy);
  return copy;
};
const said = (plan: AwsNetworkPlan, subject: string): string => {
  const item = plan.fidelity.find((one) => one.subject === subject);
  return item === undefined ? "" : `${item.outcome}: ${item.reason}`;
};

describe("the plan of a shadow's network on AWS", () => {
  it("leads the default routes of each zone to the zone's own interface, and nothing anywhere else", () => {
    const { routeTables, appliances } = planAwsNetwork(threeZoneAws, {});
    assert.equal(routeTables.length, 6);
    assert.deepEqual(
      routeTables.map(({ key, routes }) => [
        key,
        routes.map(({ destination, gatewayZone }) => [destination, gatewayZone]),
      ]),
      routeTables.map(({ key }) => [key, [["0.0.0.0/0", key.split("/")[1]]]]),
    );
    assert.deepEqual(
      appliances.zones.map(({ zoneId, gatewayCidr, gatewayAddress }) => [zoneId, gatewayCidr, gatewayAddress]),
      [
        ["euc1-az1", "100.64.1.0/25", "100.64.1.4"],
        ["euc1-az2", "100.64.2.0/25", "100.64.2.4"],
        ["euc1-az3", "100.64.3.0/25", "100.64.3.4"],
      ],
    );
  });

  it("keeps a zone's part of the appliances' range when another zone gets its first machine", () => {
    const twoZones = changed(threeZoneAws, (copy) => {
      copy.machines = copy.machines.filter(({ interfaces }) => !interfaces[0]!.subnet.endsWith("-c"));
    });
    const few = planAwsNetwork(twoZones, {}).appliances.zones;
    const all = planAwsNetwork(threeZoneAws, {}).appliances.zones;
    assert.equal(few.length, 2);
    for (const zone of few) assert.ok(all.some((other) => JSON.stringify(other) === JSON.stringify(zone)));
  });

  it("keeps routes to machines, and says what the others led to", () => {
    const { routeTables, fidelity } = planAwsNetwork(hostileAws, { applianceCidr: "100.65.0.0/20" });
    const routes = routeTables.find(({ key }) => key === "Main/euc1-az2")!.routes;
    assert.deepEqual(routes[1], { destination: "192.168.0.0/16", link: "router/eth0" });
    assert.equal(routes.length, 2);
    const lines = fidelity.filter(({ subject }) => subject.startsWith("routeTables/Main/"));
    assert.deepEqual(
      lines.map(({ subject, outcome }) => [subject.split("/").slice(2).join("/"), outcome]),
      [
        ["0.0.0.0/0", "substituted"],
        ["10.41.0.0/16", "substituted"],
        ["172.20.0.0/14", "substituted"],
        ["198.51.100.128/25", "substituted"],
        ["192.168.0.0/16", "cloned"],
        ["192.0.2.0/24", "dropped"],
      ],
    );
  });

  it("lets replayed clients in at edge services, and machines out to the shadow's ranges alone", () => {
    const { securityGroups } = planAwsNetwork(smallAws, {});
    const web = securityGroups.find(({ name }) => name === "web")!.rules.map(({ key }) => key);
    assert.deepEqual(web, [
      "web/ingress/tcp/80/balancer",
      "web/egress/any/10.20.0.0/16",
      "web/egress/any/100.64.0.0/20",
      "web/ingress/tcp/80/0.0.0.0/0",
      "web/egress/tcp/443/100.64.0.0/25",
      "web/egress/tcp/443/endpoint:s3",
    ]);
  });

  it("passes ICMP and protocols by their numbers on in network ACLs, and the appliances before all rules", () => {
    const plan = planAwsNetwork(hostileAws, { applianceCidr: "100.65.0.0/20" });
    const [odd] = plan.acls;
    assert.deepEqual(odd!.ingress, [
      { ruleNo: 1, action: "allow", protocol: "-1", fromPort: 0, toPort: 0, cidrBlock: "100.65.0.0/20" },
      { ruleNo: 100, action: "allow", protocol: "47", fromPort: 0, toPort: 0, cidrBlock: "0.0.0.0/0" },
      {
        ruleNo: 110,
        action: "deny",
        protocol: "1",
        fromPort: 0,
        toPort: 0,
        cidrBlock: "0.0.0.0/0",
        icmpType: 8,
        icmpCode: -1,
      },
    ]);
    assert.deepEqual(odd!.subnets, ["public"]);
  });

  it("leaves IPv6 and machines that EKS manages out, everywhere they are named", () => {
    const plan = planAwsNetwork(hostileAws, { applianceCidr: "100.65.0.0/20" });
    assert.ok(!JSON.stringify({ ...plan, fidelity: [] }).includes("2001:db8"));
    assert.ok(plan.machines.every(({ name }) => name !== "eks-node"));
    assert.deepEqual(plan.balancers.find(({ name }) => name === "node")!.targetGroups[0]!.targets, []);
    assert.match(said(plan, "machines/eks-node"), /^dropped: its containers are managed by EKS/);
    assert.match(said(plan, "networks/ipv6"), /^dropped: .* 3 ranges/);
    assert.match(said(plan, "vpc/resolvers"), /10\.41\.0\.2, 10\.41\.0\.3/);
    assert.match(said(plan, "vpc/clocks"), /^dropped: 10\.41\.0\.4/);
    assert.deepEqual(validateTopology(plan.topology), []);
  });

  it("reports every boundary, group rule, zone record and gap of the capture that was dropped", () => {
    const plan = planAwsNetwork(hostileAws, { applianceCidr: "100.65.0.0/20" });
    for (const boundary of ["internet", "nat-a", "peer", "transit", "s3", "orders"]) {
      assert.match(said(plan, `boundaries/${boundary}`), /^substituted: a sink/, boundary);
    }
    const dropped = plan.fidelity.filter(({ outcome }) => outcome === "dropped").map(({ reason }) => reason);
    assert.ok(dropped.includes(hostileAws.securityGroups![0]!.aws!.dropped![0]!));
    assert.ok(dropped.includes("weighted record api.hostile.internal has no one answer"));
    assert.ok(dropped.includes(hostileAws.unreadable![0]!));
    assert.match(said(plan, "endpoints/vpce-00000000000000002"), /vpce-svc-0123456789abcdef0 is not reachable/);
  });

  it("restores a database only when asked to, under the name that the machines use", () => {
    assert.deepEqual(planAwsNetwork(smallAws, {}).databases, []);
    const plan = planAwsNetwork(smallAws, { boundaries: [{ name: "shop-db", restore: true }] });
    const name = "shop-db.c1a2b3c4d5e6.eu-central-1.rds.amazonaws.com";
    assert.deepEqual(plan.databases[0]!.subnets, ["private-a", "private-b"]);
    const zone = plan.zones.find((one) => one.name === name)!;
    assert.deepEqual(zone.records, [{ key: `${name}/A`, name, type: "A", values: [], database: "shop-db" }]);
    assert.ok(plan.resolvable.includes(name));
    assert.match(said(plan, "boundaries/shop-db"), /^cloned: restored from the snapshot rds:shop-db-2026-01-15-03-10/);
  });

  it("restores a cluster with one member, and says so", () => {
    const plan = planAwsNetwork(threeZoneAws, { boundaries: [{ name: "store-db", restore: true }] });
    assert.equal(plan.databases[0]!.isCluster, true);
    assert.match(said(plan, "boundaries/store-db/members"), /^scaled: one instance instead of 2/);
  });

  it("turns a listener that ends TLS into a plain one, unless there is a certificate", () => {
    assert.equal(planAwsNetwork(smallAws, {}).balancers[0]!.listeners[0]!.protocol, "HTTP");
    const plan = planAwsNetwork(smallAws, { hasCertificate: true });
    assert.equal(plan.balancers[0]!.listeners[0]!.protocol, "HTTPS");
    assert.equal(said(plan, "loadBalancers/shop/443"), "");
  });

  it("answers 503 where production redirected, and registers addresses where it did", () => {
    const plan = planAwsNetwork(threeZoneAws, {});
    const [front, app] = plan.balancers;
    assert.deepEqual(front!.listeners[0], { key: "front/80", port: 80, protocol: "HTTP", rules: [] });
    assert.deepEqual(front!.listeners[1]!.rules[0]!.hosts, ["shop.example"]);
    assert.match(said(plan, "loadBalancers/front/80"), /redirects every request to https/);
    assert.deepEqual(app!.targetGroups[0]!.targets[0], { machine: "app-a-1", port: 8080, address: "10.30.32.10" });
  });

  it("makes one group instead of machines where asked, as large as the scale rules say", () => {
    const plan = planAwsNetwork(threeZoneAws, {
      autoScalingGroups: ["web"],
      scale: [{ machines: "web-*", replicas: 30 }],
    });
    assert.ok(plan.machines.every(({ name }) => !name.startsWith("web-")));
    const [group] = plan.groups;
    assert.deepEqual(
      [group!.minimum, group!.desired, group!.maximum, group!.targetGroups],
      [12, 30, 48, ["front/web"]],
    );
    assert.deepEqual(group!.subnets, ["web-a", "web-b", "web-c"]);
    assert.deepEqual(plan.balancers[0]!.targetGroups[0]!.targets, []);
    assert.equal(plan.images.filter(({ machine }) => machine.startsWith("web-")).length, 1);
  });

  it("changes only the machines that a scale rule names", () => {
    const before = planAwsNetwork(threeZoneAws, {});
    const after = planAwsNetwork(threeZoneAws, {
      scale: [
        { machines: "app-a-*", replicas: 10 },
        { machines: "web-a-1", type: "m6i.large" },
      ],
    });
    const copies = after.machines.filter(({ name }) => before.machines.every((machine) => machine.name !== name));
    assert.deepEqual(
      copies.map(({ name, imageOf, interfaces }) => [name, imageOf, interfaces[0]!.addresses]),
      [
        ["app-a-9", "app-a-1", ["10.30.32.4"]],
        ["app-a-10", "app-a-2", ["10.30.32.5"]],
      ],
    );
    const others = (plan: AwsNetworkPlan): unknown[] =>
      plan.machines.filter(({ name }) => !copies.some((copy) => copy.name === name) && name !== "web-a-1");
    assert.deepEqual(others(after), others(before));
    assert.deepEqual(after.routeTables, before.routeTables);
    assert.deepEqual(after.securityGroups, before.securityGroups);
  });
});

describe("where a clone's disks come from", () => {
  const plan = (settings: AwsNetworkSettings, change: (copy: Topology) => void = () => undefined): AwsNetworkPlan =>
    planAwsNetwork(changed(smallAws, change), settings);
  const app = (of: AwsNetworkPlan) => of.machines.find(({ name }) => name === "app-1")!;

  it("is the newest image of the machine, if there is one", () => {
    const made = plan({}, (copy) => (copy.machines[2]!.aws!.newestImageId = "ami-0newest"));
    assert.equal(app(made).imageId, "ami-0newest");
    assert.ok(made.images.every(({ machine }) => machine !== "app-1"));
    assert.match(said(made, "machines/app-1/disks"), /^cloned: from the newest image of the machine, ami-0newest/);
  });

  it("is else the newest snapshot of each volume, and a volume without one starts empty", () => {
    const made = plan({}, (copy) =>
      copy.machines[2]!.aws!.volumes!.push(
        { id: "vol-1", device: "/dev/sdf", sizeGigabytes: 50, type: "gp2", iops: 150, snapshotId: "snap-0data" },
        { id: "vol-2", device: "/dev/sdg", sizeGigabytes: 60, type: "io2", iops: 4000 },
      ),
    );
    assert.equal(app(made).imageOf, "app-1");
    assert.equal(made.images.find(({ machine }) => machine === "app-1")!.snapshotId, "snap-00000000000000003");
    assert.deepEqual(app(made).volumes, [
      { device: "/dev/sdf", sizeGigabytes: 50, type: "gp2", snapshotId: "snap-0data" },
      { device: "/dev/sdg", sizeGigabytes: 60, type: "io2", iops: 4000 },
    ]);
    assert.match(said(made, "machines/app-1/disks//dev/sdg"), /^dropped: no snapshot of the volume/);
  });

  it("is an image taken now where asked, never with a reboot", () => {
    const made = plan({ state: [{ machines: "app-*", disk: "snapshot" }] });
    assert.equal(made.images.find(({ machine }) => machine === "app-1")!.instanceId, "i-00000000000000003");
    assert.match(said(made, "machines/app-1/disks"), /without a reboot/);
  });

  it("is the launch image where nothing else exists or is asked for", () => {
    const asked = plan({ state: [{ machines: "*", disk: "none" }] });
    assert.equal(app(asked).imageId, "ami-00000000000000001");
    const bare = plan({}, (copy) => delete copy.machines[2]!.aws!.volumes![0]!.snapshotId);
    assert.match(said(bare, "machines/app-1/disks"), /^substituted: there is neither an image nor a snapshot/);
  });

  it("is one image for a machine and its copies", () => {
    const made = plan({ scale: [{ machines: "app-1", replicas: 4 }] });
    assert.equal(made.machines.filter(({ imageOf }) => imageOf === "app-1").length, 4);
    assert.equal(made.images.length, 3);
  });
});
