import assert from "node:assert/strict";

import { captureAws, checkAwsPermissions } from "../../../../components/aws/capture";
import { captureActions } from "../../../../components/aws/capture/policy";
import { validateTopology } from "../../../../components/topologySchema";
import type { Topology } from "../../../../components/topology";
import { useMoto } from "../../../support/moto";
import { type MotoVpc, makeVpc, motoClients } from "../../../support/motoVpc";

describe("the capture of a VPC of moto (three zones, twelve subnets, sixty instances)", function () {
  this.timeout(120_000);
  const moto = useMoto();
  const environment = { ...process.env };
  const calls = new Map<string, number>();
  const progress: string[] = [];
  let vpc: MotoVpc;
  let topology: Topology;

  before(async () => {
    Object.assign(process.env, moto.environment);
    const clients = motoClients(moto);
    vpc = await makeVpc(clients, moto.region);
    Object.values(clients).forEach((client) => client.destroy());
    topology = await captureAws(vpc.vpcId, {
      region: moto.region,
      endpointUrl: moto.url,
      includeTags: true,
      onProgress: (line) => progress.push(line),
      onCall: (action) => calls.set(action, (calls.get(action) ?? 0) + 1),
    });
  });
  after(() => {
    process.env = environment;
  });

  it("gives a valid topology in which nothing was left unread", () => {
    assert.deepEqual(validateTopology(JSON.parse(JSON.stringify(topology))), []);
    assert.deepEqual(topology.unreadable, []);
    assert.equal(topology.name, "shop-vpc");
    assert.deepEqual(
      { ...topology.source, capturedAt: "" },
      {
        backEnd: "aws",
        account: "123456789012",
        region: "eu-central-1",
        id: vpc.vpcId,
        capturedAt: "",
      },
    );
  });

  it("has every subnet with its zone, route table and network ACL", () => {
    const [network] = topology.networks;
    assert.deepEqual(network!.cidrs, ["10.30.0.0/16"]);
    assert.equal(network!.subnets.length, 12);
    const subnet = network!.subnets.find(({ name }) => name === "web-b")!;
    assert.equal(subnet.cidr, "10.30.17.0/24");
    assert.equal(subnet.zone, "eu-central-1b");
    assert.equal(subnet.routeTable, "private");
    assert.equal(subnet.aws!.id, vpc.subnets["web-b"]);
    assert.deepEqual(
      topology.aws!.zones.map(({ name }) => name),
      ["eu-central-1a", "eu-central-1b", "eu-central-1c"],
    );
  });

  it("has every instance by a name of its own, with its interface, volume, tags and type, and without its user data", () => {
    assert.equal(topology.machines.length, 60);
    assert.equal(new Set(topology.machines.map(({ name }) => name)).size, 60);
    const id = vpc.instances.data![0]!;
    const machine = topology.machines.find(({ sourceId }) => sourceId === id)!;
    assert.equal(machine.name, `data-a-${id.slice(-5)}`);
    assert.equal(machine.role, "data");
    assert.deepEqual(machine.size, { type: "m5.large", cpus: 2, memoryMegabytes: 8192 });
    assert.deepEqual(
      machine.interfaces.map(({ name, subnet, securityGroups }) => [name, subnet, securityGroups]),
      [["eth0", "data-a", ["data"]]],
    );
    assert.deepEqual(machine.aws!.tags, { Name: "data-a", Role: "data", Owner: "shop" });
    assert.equal(machine.aws!.imageAvailable, true);
    const [volume] = machine.aws!.volumes!;
    assert.equal(volume!.device, machine.aws!.rootDevice);
    assert.match(volume!.snapshotId!, /^snap-/);
    assert.ok(!JSON.stringify(topology).includes("hunter2"));
    assert.ok(!JSON.stringify(topology).includes(Buffer.from("secret=hunter2").toString("base64")));
  });

  it("has the ways out as boundaries, and routes that lead to them", () => {
    const kinds = topology.boundaries!.map(({ name, kind }) => [name, kind]);
    assert.deepEqual(kinds, [
      ["internet", "internet"],
      ["nat-a", "nat"],
      ["s3", "managedService"],
      ["orders", "managedService"],
    ]);
    const routes = (table: string) =>
      topology
        .routeTables!.find(({ name }) => name === table)!
        .routes.filter(({ destination }) => destination === "0.0.0.0/0");
    assert.deepEqual(
      routes("public").map(({ boundary }) => boundary),
      ["internet"],
    );
    assert.deepEqual(
      routes("private").map(({ boundary }) => boundary),
      ["nat-a"],
    );
    assert.equal(routes("public")[0]!.aws!.target, vpc.internetGatewayId);
  });

  it("has the database with its newest snapshot, port and subnets", () => {
    const { aws } = topology.boundaries!.find(({ name }) => name === "orders")!;
    assert.equal(aws!.kind, "rdsInstance");
    assert.equal(aws!.snapshotId, "orders-nightly");
    assert.equal(aws!.engine, "postgres");
    assert.deepEqual(aws!.subnets, ["data-a", "data-b", "data-c"]);
    assert.deepEqual(aws!.securityGroups, ["data"]);
  });

  it("has the load balancer, which ends TLS, and its targets as the only service at the edge", () => {
    const [balancer] = topology.loadBalancers!;
    assert.equal(balancer!.name, "front");
    assert.equal(balancer!.terminatesTls, true);
    assert.deepEqual([balancer!.port, balancer!.targetPort, balancer!.machines.length], [443, 80, 24]);
    assert.deepEqual(balancer!.aws!.listeners![0]!.rules, [{ priority: 10, paths: ["/api/*"], targetGroup: "web" }]);
    const edge = topology.services!.filter((service) => service.edge);
    assert.deepEqual(
      edge.map(({ name, port, application }) => [name, port, application]),
      [["web", 80, "http1"]],
    );
    const inner = topology
      .services!.filter((service) => !service.edge)
      .map(({ name, port, machines }) => [name, port, machines.length]);
    assert.deepEqual(inner, [
      ["app-a", 8080, 8],
      ["app-b", 8080, 8],
      ["app-c", 8080, 8],
      ["data-a", 6379, 4],
      ["data-b", 6379, 4],
      ["data-c", 6379, 4],
    ]);
  });

  it("has the private zone with its records", () => {
    assert.deepEqual(
      topology.dnsZones!.map(({ name, records }) => [name, records]),
      [
        [
          "shop.internal",
          [
            { name: "cache.shop.internal", type: "A", values: ["10.30.48.10"] },
            { name: "db.shop.internal", type: "CNAME", values: ["orders.abc.eu-central-1.rds.amazonaws.com"] },
          ],
        ],
      ],
    );
  });

  it("makes each call once or twice, none for each instance, and none that its policy does not allow", () => {
    const known: readonly string[] = captureActions;
    assert.deepEqual(
      [...calls.keys()].filter((action) => !known.includes(action)),
      [],
    );
    for (const [action, count] of calls) assert.ok(count <= 2, `${action} was called ${count} times`);
    assert.ok(progress.some((line) => line.includes("60 instances")));
  });

  it("tries every call in a dry run, and writes nothing in moto", async () => {
    const permissions = await checkAwsPermissions(vpc.vpcId, { region: moto.region, endpointUrl: moto.url });
    assert.deepEqual(permissions.map(({ action }) => action).sort(), [...captureActions].sort());
    assert.deepEqual(
      permissions.filter(({ outcome }) => outcome !== "permitted"),
      [],
    );
  });

  it("names the VPCs that there are when there is none with the id", async () => {
    await assert.rejects(
      captureAws("vpc-0123456789abcdef0", { region: moto.region, endpointUrl: moto.url }),
      (error: Error) =>
        error.message.includes("no VPC vpc-0123456789abcdef0") && error.message.includes(`${vpc.vpcId} (Shop VPC)`),
    );
  });
});
