import assert from "node:assert/strict";

import type { Listener, Rule, TargetGroup } from "@aws-sdk/client-elastic-load-balancing-v2";

import { mapTopology } from "../../../../components/aws/capture/mapping";
import type { Topology } from "../../../../components/topology";
import { validateTopology } from "../../../../components/topologySchema";
import { awsCard, awsInstance, awsReading } from "../../../support/awsReading";
import { awsId } from "../../../support/awsTopologyParts";

function mapped(given: Parameters<typeof awsReading>[0]): Topology {
  const topology = mapTopology(awsReading(given));
  assert.deepEqual(validateTopology(JSON.parse(JSON.stringify(topology))), []);
  return topology;
}

const arnOf = (kind: string): string =>
  `arn:aws:elasticloadbalancing:eu-central-1:1:loadbalancer/${kind}/0123456789abcdef`;
const groupArn = (name: string): string =>
  `arn:aws:elasticloadbalancing:eu-central-1:1:targetgroup/${name}/0123456789abcdef`;

/** A load balancer with one interface, in the SDK's types. */
function balanced(
  kind: string,
  scheme: "internal" | "internet-facing",
  listeners: { listener: Listener; rules: Rule[] }[],
) {
  const [type, name] = kind.split("/") as ["app" | "net", string];
  return {
    card: {
      NetworkInterfaceId: `eni-${name}`,
      Description: `ELB ${kind}/0123456789abcdef`,
      PrivateIpAddress: "10.1.1.200",
    },
    one: {
      balancer: {
        LoadBalancerArn: arnOf(kind),
        LoadBalancerName: name,
        Type: type === "app" ? ("application" as const) : ("network" as const),
        Scheme: scheme,
        DNSName: `${name}-1.elb.eu-central-1.amazonaws.com`,
      },
      listeners,
    },
  };
}

const targets = (name: string, given: TargetGroup, ids: string[]) => ({
  group: { TargetGroupArn: groupArn(name), TargetGroupName: name, TargetType: "instance" as const, ...given },
  targets: ids.map((Id) => ({ Target: { Id, Port: given.Port }, TargetHealth: { State: "healthy" as const } })),
});

const forward = (name: string) => [{ Type: "forward" as const, TargetGroupArn: groupArn(name) }];
const instances = [1, 2].map((number) =>
  awsInstance(number, `web-${number}`, [awsCard(number, 1, `10.1.1.${10 + number}`)]),
);

describe("the mapping of load balancers, managed things and names of the SDK's types", () => {
  it("tells TLS that ends at the load balancer from TLS that reaches the machines", () => {
    const shop = balanced("app/shop", "internet-facing", [
      { listener: { Port: 80, Protocol: "HTTP", DefaultActions: [{ Type: "redirect" }] }, rules: [] },
      { listener: { Port: 443, Protocol: "HTTPS", DefaultActions: forward("plain") }, rules: [] },
    ]);
    const raw = balanced("net/raw", "internet-facing", [
      { listener: { Port: 443, Protocol: "TCP", DefaultActions: forward("secure") }, rules: [] },
    ]);
    const { loadBalancers, services } = mapped({
      instances,
      interfaces: [shop.card, { ...raw.card, PrivateIpAddress: "10.1.1.201" }],
      balancers: [shop.one, raw.one],
      targetGroups: [
        targets("plain", { Port: 8080, Protocol: "HTTP", ProtocolVersion: "HTTP2" }, [awsId("i", 1)]),
        targets("secure", { Port: 443, Protocol: "TCP", TargetType: "ip" }, ["10.1.1.12", "10.9.9.9"]),
      ],
    });
    assert.deepEqual(
      loadBalancers!.map(({ name, port, targetPort, terminatesTls, machines }) => [
        name,
        port,
        targetPort,
        terminatesTls,
        machines,
      ]),
      [
        ["shop", 443, 8080, true, ["web-1"]],
        ["raw", 443, 443, undefined, ["web-2"]],
      ],
    );
    assert.deepEqual(loadBalancers![0]!.aws!.listeners![0]!.dropped, [
      "its default action does redirect, which the topology has no word for",
    ]);
    assert.deepEqual(
      services!.map(({ name, port, edge, application }) => [name, port, edge, application]),
      [
        ["plain", 8080, true, "http2"],
        ["secure", 443, true, "tls"],
      ],
    );
  });

  it("keeps rules by path and host, and says what other rules and targets are left out", () => {
    const rule = (Priority: string, Field: string, Values: string[]): Rule => ({
      Priority,
      Conditions: [{ Field, Values }],
      Actions: forward("web"),
    });
    const inner = balanced("app/inner", "internal", [
      {
        listener: { Port: 80, Protocol: "HTTP", DefaultActions: [{ Type: "authenticate-oidc" }, ...forward("web")] },
        rules: [
          rule("20", "host-header", ["a.example"]),
          rule("10", "path-pattern", ["/api/*"]),
          rule("30", "source-ip", ["10.0.0.0/8"]),
          { Priority: "default", IsDefault: true, Actions: forward("web") },
          {
            Priority: "40",
            Actions: [
              {
                Type: "forward",
                ForwardConfig: {
                  TargetGroups: [
                    { TargetGroupArn: groupArn("web"), Weight: 1 },
                    { TargetGroupArn: groupArn("fn"), Weight: 9 },
                  ],
                },
              },
            ],
          },
        ],
      },
    ]);
    const { loadBalancers, services, unreadable } = mapped({
      instances,
      interfaces: [inner.card],
      balancers: [inner.one],
      targetGroups: [
        targets("web", { Port: 80, Protocol: "HTTP" }, [awsId("i", 1), awsId("i", 77)]),
        targets("fn", { TargetType: "lambda" }, ["arn:aws:lambda:1"]),
      ],
    });
    const [listener] = loadBalancers![0]!.aws!.listeners!;
    assert.deepEqual(listener!.rules, [
      { priority: 10, paths: ["/api/*"], targetGroup: "web" },
      { priority: 20, hosts: ["a.example"], targetGroup: "web" },
    ]);
    assert.deepEqual(listener!.dropped, [
      "its default action does authenticate-oidc, which the topology has no word for",
      "rule 30 asks for source-ip, which the topology has no word for",
      "rule 40 spreads over 2 target groups; only the heaviest is kept",
      "rule 40 forwards to target group fn, which was not captured",
    ]);
    assert.deepEqual(
      services!.map(({ edge }) => edge),
      [false],
    );
    assert.deepEqual(unreadable, [
      "1 of 2 targets of target group web are no captured machines",
      "target group fn has targets of the type lambda and is left out",
    ]);
  });

  it("knows managed things by their interfaces, and classic load balancers by theirs", () => {
    const card = (Description: string, PrivateIpAddress: string, given: object = {}) => ({
      Description,
      PrivateIpAddress,
      SubnetId: awsId("subnet", 1),
      RequesterManaged: true,
      ...given,
    });
    const { boundaries, unreadable } = mapped({
      interfaces: [
        card("AWS Lambda VPC ENI-billing-1a2b3c4d-0000-4000-8000-000000000001", "10.1.1.20"),
        card("AWS Lambda VPC ENI-billing-1a2b3c4d-0000-4000-8000-000000000002", "10.1.2.20", {
          SubnetId: awsId("subnet", 2),
        }),
        card("EFS mount target for fs-0123 (fsmt-0123)", "10.1.1.21"),
        card("ElastiCache shop-cache-0001-001", "10.1.1.22"),
        card("Amazon EKS shop", "10.1.1.23"),
        card("Interface for NAT Gateway nat-1", "10.1.1.24", { InterfaceType: "nat_gateway" }),
        card("ELB old-one", "10.1.1.25", { RequesterId: "amazon-elb" }),
        card("somebody's spare one", "10.1.1.26", { RequesterManaged: false }),
        card("a machine's", "10.1.1.27", { RequesterManaged: false, Attachment: { InstanceId: "i-1" } }),
        card("DMS", "10.1.1.28", { RequesterId: "dms" }),
      ],
    });
    assert.deepEqual(
      boundaries!.map(({ name, cidrs, aws }) => [name, aws!.kind, cidrs.join(" "), aws!.subnets!.length]),
      [
        ["billing", "lambda", "10.1.1.20/32 10.1.2.20/32", 2],
        ["fs-0123", "efs", "10.1.1.21/32", 1],
        ["shop-cache", "elastiCache", "10.1.1.22/32", 1],
        ["shop", "eksControlPlane", "10.1.1.23/32", 1],
        ["dms", "managedInterface", "10.1.1.28/32", 1],
      ],
    );
    assert.deepEqual(unreadable, ["load balancer old-one is a classic one, which is not captured"]);
  });

  it("has a cluster of databases as one boundary with its newest snapshot and its number of members", () => {
    const member = (name: string) => ({
      DBInstanceIdentifier: name,
      DBClusterIdentifier: "store",
      DBInstanceClass: "db.r6g.large",
      DBSubnetGroup: { Subnets: [{ SubnetIdentifier: awsId("subnet", 2) }] },
    });
    const { boundaries } = mapped({
      databases: [member("store-1"), member("store-2")],
      clusters: [
        {
          DBClusterIdentifier: "store",
          DBClusterArn: "arn:store",
          Engine: "aurora-postgresql",
          Endpoint: "w",
          ReaderEndpoint: "r",
          Port: 5432,
        },
      ],
      databaseSnapshots: new Map([["store", { id: "rds:store-1", at: new Date("2026-01-01T00:00:00Z") }]]),
    });
    assert.deepEqual(
      boundaries!.map(({ name, aws }) => [name, aws]),
      [
        [
          "store",
          {
            kind: "rdsCluster",
            id: "arn:store",
            names: ["w", "r"],
            port: 5432,
            engine: "aurora-postgresql",
            instanceClass: "db.r6g.large",
            subnets: [awsId("subnet", 2)],
            members: 2,
            snapshotId: "rds:store-1",
            snapshotAt: "2026-01-01T00:00:00.000Z",
          },
        ],
      ],
    );
  });

  it("keeps the records of a private zone that have one answer, and says which have not", () => {
    const shop = balanced("app/shop", "internal", [
      { listener: { Port: 80, Protocol: "HTTP", DefaultActions: forward("web") }, rules: [] },
    ]);
    const alias = (Name: string, Type: "A" | "AAAA", DNSName: string) => ({
      Name,
      Type,
      AliasTarget: { DNSName, HostedZoneId: "Z", EvaluateTargetHealth: false },
    });
    const { dnsZones } = mapped({
      instances,
      interfaces: [shop.card],
      balancers: [shop.one],
      targetGroups: [targets("web", { Port: 80, Protocol: "HTTP" }, [awsId("i", 1)])],
      privateZones: [
        {
          id: "Z1",
          name: "shop.internal.",
          records: [
            { Name: "shop.internal.", Type: "SOA", ResourceRecords: [{ Value: "ns" }] },
            { Name: "\\052.shop.internal.", Type: "CNAME", ResourceRecords: [{ Value: "web.shop.internal." }] },
            alias("front.shop.internal.", "A", "dualstack.shop-1.elb.eu-central-1.amazonaws.com."),
            alias("front.shop.internal.", "AAAA", "dualstack.shop-1.elb.eu-central-1.amazonaws.com."),
            alias("cdn.shop.internal.", "A", "d1.cloudfront.net."),
            { Name: "api.shop.internal.", Type: "A", SetIdentifier: "blue", ResourceRecords: [{ Value: "10.1.1.11" }] },
          ],
        },
      ],
    });
    assert.deepEqual(dnsZones, [
      {
        name: "shop.internal",
        records: [
          { name: "*.shop.internal", type: "CNAME", values: ["web.shop.internal"] },
          { name: "front.shop.internal", type: "CNAME", values: ["shop-1.elb.eu-central-1.amazonaws.com"] },
        ],
        aws: {
          id: "Z1",
          dropped: [
            "A record cdn.shop.internal is an alias of d1.cloudfront.net",
            "A record api.shop.internal has several answers by a rule (blue is one)",
          ],
        },
      },
    ]);
  });
});
