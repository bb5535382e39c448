import assert from "node:assert/strict";

import { exemptMatches, flowMatches, hookOf } from "../../../../components/runtime/faults/match";
import { targetOf } from "./scenarios";

describe("flow matches", () => {
  it("need no more than the armed families when there is no flow", () => {
    assert.deepEqual(flowMatches(undefined, true), [""]);
  });

  it("cover both families when no address is given", () => {
    assert.deepEqual(flowMatches({ protocol: "tcp", destinationPorts: "5432" }, false), [
      "meta l4proto tcp th dport 5432",
    ]);
    assert.deepEqual(flowMatches({ sourcePorts: "80-90" }, false), ["meta l4proto { tcp, udp } th sport 80-90"]);
  });

  it("add the answering side's packets for both directions", () => {
    assert.deepEqual(flowMatches({ protocol: "udp", sourceCidr: "10.0.0.0/8", destinationPorts: "53" }, true), [
      "meta protocol ip ip saddr 10.0.0.0/8 meta l4proto udp th dport 53",
      "meta protocol ip ip daddr 10.0.0.0/8 meta l4proto udp th sport 53",
    ]);
  });

  it("take the family from the addresses", () => {
    assert.deepEqual(flowMatches({ destinationCidr: "fd00::/64" }, false), ["meta protocol ip6 ip6 daddr fd00::/64"]);
  });

  it("leave neighbour discovery out of ICMP", () => {
    assert.deepEqual(flowMatches({ protocol: "icmp" }, true), [
      "meta protocol ip meta l4proto icmp",
      "meta protocol ip6 meta l4proto ipv6-icmp icmpv6 type != 133-137",
    ]);
  });

  it("exempt the management path in both directions", () => {
    assert.deepEqual(exemptMatches([{ protocol: "tcp", destinationPorts: "22" }]), [
      "meta l4proto tcp th dport 22",
      "meta l4proto tcp th sport 22",
    ]);
  });

  it("see what a machine sends as ingress of its port on the network's side", () => {
    const [outside] = targetOf("link", "network", "v1").links;
    const [inside] = targetOf("link", "machine", "v1").links;
    assert.deepEqual([hookOf(outside!, "egress"), hookOf(outside!, "ingress")], ["ingress", "egress"]);
    assert.deepEqual([hookOf(inside!, "egress"), hookOf(inside!, "ingress")], ["egress", "ingress"]);
  });
});
