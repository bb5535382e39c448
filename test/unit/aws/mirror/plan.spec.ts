import assert from "node:assert/strict";

import { Selection } from "../../../../components/runtime/gateway/flows/selectors";
import { type MirrorPlan, planMirror } from "../../../../components/aws/mirror/plan";
import type { AwsMirrorSettings } from "../../../../components/aws/mirror/settings";
import type { Topology } from "../../../../components/topology";
import { hostileAws, smallAws, threeZoneAws } from "../../../support/awsTopologies";

function planned(topology: Topology, settings: AwsMirrorSettings = {}): MirrorPlan {
  const { plan, problems } = planMirror(topology, settings);
  assert.deepEqual(problems, []);
  return plan!;
}

function problems(topology: Topology, settings: AwsMirrorSettings): string[] {
  return planMirror(topology, settings).problems.map(({ path, reason }) => `${path}: ${reason}`);
}

function refused(topology: Topology, settings: AwsMirrorSettings, ...expected: RegExp[]): void {
  const found = problems(topology, settings);
  for (const pattern of expected)
    assert.ok(
      found.some((line) => pattern.test(line)),
      `${String(pattern)} in\n${found.join("\n")}`,
    );
  assert.equal(found.length, expected.length, found.join("\n"));
}

const clone = (topology: Topology): Topology => structuredClone(topology);

describe("plan of a mirror on AWS", () => {
  it("copies from the targets of the load balancer that ends TLS, one filter pair for the service", () => {
    const plan = planned(smallAws, { percent: 10, seed: 7 });
    assert.deepEqual(
      plan.sources.map(({ link, zoneId }) => `${link} ${zoneId}`),
      ["web-1/eth0 euc1-az2", "web-2/eth0 euc1-az3"],
    );
    assert.deepEqual(
      plan.zones.map(({ zoneId }) => zoneId),
      ["euc1-az2", "euc1-az3"],
    );
    assert.deepEqual(
      plan.filter.rules.map(({ slot, protocol, sourcePorts, destinationPorts }) => ({
        slot,
        protocol,
        sourcePorts,
        destinationPorts,
      })),
      [
        { slot: "accept-1-ingress", protocol: 6, sourcePorts: undefined, destinationPorts: { first: 80, last: 80 } },
        { slot: "accept-1-egress", protocol: 6, sourcePorts: { first: 80, last: 80 }, destinationPorts: undefined },
      ],
    );
    assert.equal(plan.packetLength, 8446);
    assert.deepEqual(plan.settings, { percent: 10, seed: 7, sampleBy: "flow", exclude: [] });
  });

  it("gives each source a network identifier of its own, the same whatever else is there", () => {
    const all = planned(threeZoneAws);
    assert.equal(new Set(all.sources.map(({ vni }) => vni)).size, all.sources.length);
    assert.equal(all.sources.length, 24);
    const few = planned(threeZoneAws, { sources: ["web-a-*"] });
    for (const { link, vni } of few.sources) assert.equal(vni, all.sources.find((one) => one.link === link)!.vni);
  });

  it("leaves flows between the cloned machines out and carries those of load balancers", () => {
    const { basis } = planned(smallAws);
    const selection = new Selection(basis.include, basis.exclude);
    const flow = (client: number, serverPort: number): string =>
      selection.choose(
        {
          family: 4,
          protocol: 6,
          client: [0, 0, 0, client],
          clientPort: 40_000,
          server: [0, 0, 0, 0x0a140a0b],
          serverPort,
        },
        undefined,
      );
    assert.equal(flow(0x0a14000a, 80), "yes", "the load balancer 10.20.0.10");
    assert.equal(flow(0x0a140a15, 80), "no", "app-1, 10.20.10.21");
    assert.equal(flow(0x0a14000a, 22), "no", "another port");
    assert.deepEqual(basis.shadowCidrs, ["10.20.0.0/16"]);
    assert.deepEqual(basis.machines, { "10.20.10.11": "web-1", "10.20.11.11": "web-2" });
  });

  it("refuses everything about a hostile network at once, by name", () => {
    refused(
      hostileAws,
      {},
      /services\[0\]: the bytes of "tls" are TLS .*application is tls.*let the load balancer end it.*allowEncrypted/,
      /"old" cannot be copied: the family t2 .*allowUncovered/,
      /"metal" cannot be copied: m5.metal is bare metal/,
      /"newest" cannot be copied: the family m8g/,
      /"newest" cannot be copied: its interface has 3 mirror sessions already \(tms-/,
      /"eks-node" cannot be copied: its containers are managed by eks/,
    );
  });

  it("goes on with what is left when told to, stays behind others' sessions, and says all of it", () => {
    const plan = planned(hostileAws, { allowEncrypted: true, allowUncovered: true });
    assert.deepEqual(
      plan.sources.map(({ link, sessionNumber }) => `${link} ${sessionNumber}`),
      ["tls-1/eth0 2", "tls-2/eth0 1"],
    );
    const said = plan.fidelity.map(({ subject, reason }) => `${subject}: ${reason}`).join("\n");
    for (const pattern of [
      /machines\/old: its traffic is not copied: the family t2/,
      /machines\/newest: its traffic is not copied: its interface has 3/,
      /machines\/tls-1: tms-\w+ on its interface comes first/,
      /services\/tls: its bytes are TLS .* counted and not replayed/,
      /machines\/tls-1: its IPv6 traffic is not copied/,
      /mirror\/packets: packets longer than 8446 bytes/,
    ]) {
      assert.match(said, pattern);
    }
    assert.ok(plan.basis.exclude.some(({ application }) => application === "tls"));
  });

  it("refuses to choose TLS by name where it is copied to be counted alone, and leaves the name to the gateways elsewhere", () => {
    const allowed = { allowEncrypted: true, allowUncovered: true };
    refused(
      hostileAws,
      { ...allowed, include: [{ serverName: "www.shop.example" }, { application: "tls" }] },
      /include\[0\].serverName: the gateways count TLS and carry none of it/,
      /include\[1\].application: the gateways count TLS/,
    );
    const exclude = [{ serverName: "pay.shop.example" }];
    const plan = planned(smallAws, {
      include: [{ serverName: "*.shop.example", destinationPorts: ["8443"] }],
      exclude,
    });
    assert.deepEqual(plan.settings.include, [{ serverName: "*.shop.example", destinationPorts: ["8443"] }]);
    assert.deepEqual(plan.settings.exclude, exclude);
    const said = plan.fidelity.map(({ reason }) => reason).join("\n");
    assert.match(said, /include\[0\] looks inside flows, which the filter cannot/);
    assert.match(said, /exclude\[0\] is applied by the gateways/);
  });

  it("takes packets before another tool only when told to, and only where a number is left", () => {
    const topology = clone(smallAws);
    const interfaceId = topology.machines[0]!.interfaces[0]!.aws!.id;
    topology.aws!.mirrorSessions = [{ id: "tms-ids", interfaceId, sessionNumber: 5 }];
    assert.equal(planned(topology).sources[0]!.sessionNumber, 6);
    assert.equal(planned(topology, { takeFromOthers: true }).sources[0]!.sessionNumber, 4);
    topology.aws!.mirrorSessions[0]!.sessionNumber = 1;
    refused(
      topology,
      { takeFromOthers: true },
      /no session number is left .* beside tms-ids \(leave `takeFromOthers` out\)/,
    );
    topology.aws!.mirrorSessions[0]!.sessionNumber = 32_766;
    refused(topology, {}, /no session number is left/);
  });

  it("does not mistake a shadow's own sessions for another tool's", () => {
    const topology = clone(smallAws);
    const interfaceId = topology.machines[0]!.interfaces[0]!.aws!.id;
    topology.aws!.mirrorSessions = [{ id: "tms-own", interfaceId, sessionNumber: 1, shadow: "shop" }];
    assert.equal(planned(topology).sources[0]!.sessionNumber, 1);
  });

  it("takes TLS by the target group's protocol and by port 443 for encrypted", () => {
    const byGroup = clone(smallAws);
    byGroup.loadBalancers![0]!.aws!.targetGroups![0]!.protocol = "HTTPS";
    refused(byGroup, {}, /target group "web" speaks HTTPS/);
    const byPort = clone(smallAws);
    byPort.services![0]!.port = 443;
    delete byPort.services![0]!.application;
    refused(byPort, {}, /its port is 443/);
    byPort.services![0]!.application = "http1";
    assert.equal(planned(byPort).sources.length, 2);
  });

  it("thins by client ports where asked, and corrects the share inside", () => {
    const plan = planned(smallAws, { percent: 10, preThin: true, clientPorts: "32768-60999" });
    const { sourcePorts } = plan.filter.rules[0]!;
    assert.deepEqual(sourcePorts, { first: 32_768, last: 32_768 + 5647 - 1 });
    const share = (plan.settings.percent / 100) * (5647 / 28_232);
    assert.ok(Math.abs(share - 0.1) < 1e-9);
    assert.equal(planned(smallAws, { percent: 80, preThin: true }).filter.rules[0]!.sourcePorts, undefined);
    refused(
      smallAws,
      { percent: 10, preThin: true, include: [{ sourcePorts: ["1-9"] }] },
      /preThin: cannot be combined/,
    );
  });

  it("refuses selectors that could only fail", () => {
    refused(
      smallAws,
      { include: [{ sourceCidr: "10.20.10.21/32" }, { sourceCidr: "2001:db8::/32" }] },
      /include\[0\].sourceCidr: .*their clones make this traffic themselves/,
      /include\[1\]: IPv6 addresses cannot be cloned/,
    );
    const many = Array.from({ length: 200 }, (_, at) => ({
      sourceCidr: `198.51.100.${at}/32`,
      destinationPorts: ["80"],
    }));
    refused(smallAws, { exclude: many }, /the selectors are \d+ bytes, a parameter holds 8192/);
  });

  it("refuses bad settings all at once", () => {
    refused(
      smallAws,
      { percent: 101, gatewaysPerZone: 0, productionAccountId: "12" },
      /percent: 101 is too large/,
      /gatewaysPerZone: 0 is too small/,
    );
    refused(
      smallAws,
      {
        productionAccountId: "12",
        gatewayInstanceType: "large",
        clientPorts: "a",
        sampleBy: "header",
        targetMode: "networkInterface",
        gatewaysPerZone: 2,
      },
      /clientPorts/,
      /productionAccountId: "12" is not/,
      /gatewayInstanceType: "large" is no type/,
      /gatewaysPerZone: a network interface is one gateway's/,
      /sampleBy: header is not possible/,
    );
    refused(smallAws, { sources: ["web1"] }, /sources\[0\]: no machine matches "web1"; did you mean "web-1"/);
    refused(
      smallAws,
      { endpointSubnets: { "euc1-az9": "public-a", "euc1-az2": "public-b" } },
      /euc1-az9: no source is in this zone/,
      /euc1-az2: subnet "public-b" is in euc1-az3/,
    );
  });

  it("refuses a topology that was not captured from AWS", () => {
    const topology = clone(smallAws);
    delete topology.aws;
    delete topology.source;
    delete topology.machines[0]!.interfaces[0]!.aws;
    refused(topology, {}, /topology.aws: missing/, /machines\[0\]: "web-1" lacks the id of its interface/);
  });

  it("keeps to ten sources of a target that is a network interface", () => {
    assert.equal(planned(threeZoneAws, { targetMode: "networkInterface" }).packetLength, undefined);
    const crowded = clone(threeZoneAws);
    for (const service of crowded.services!) service.machines = crowded.machines.map(({ name }) => name);
    refused(
      crowded,
      { targetMode: "networkInterface" },
      ...Array.from({ length: 3 }, () => /20 sources in euc1-az\d, .* takes 10/),
    );
  });
});
