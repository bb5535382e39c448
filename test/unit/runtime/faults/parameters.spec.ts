import assert from "node:assert/strict";

import { ProblemsError } from "../../../../components/internal/problems";
import { compile } from "../../../../components/runtime/faults/compile";
import { validateFault } from "../../../../components/runtime/faults/parameters";
import { capabilitySets, faults, targetOf } from "./scenarios";

const reasons = (...args: Parameters<typeof validateFault>): string[] =>
  validateFault(...args).map(({ path, reason }) => `${path}: ${reason}`);

describe("validateFault", () => {
  it("accepts every kind with its own parameters", () => {
    for (const [kind, parameters] of faults) assert.deepEqual(reasons(kind, parameters, "machine", "actions.x"), []);
  });

  it("names every problem at once, with its path and what is allowed", () => {
    const parameters = { percent: 120, delayMilliseconds: 5, mode: "drop" as const };
    assert.deepEqual(reasons("packetLoss", parameters, "link", "actions.x"), [
      "actions.x.percent: 120 is not allowed; allowed is 0.01 to 100 %",
      "actions.x.delayMilliseconds: packetLoss takes no delayMilliseconds; it takes direction, egress, ingress, percent, burstP, burstR, burstH, burstK, probePackets, probeAddresses",
      "actions.x.mode: packetLoss takes no mode; it takes direction, egress, ingress, percent, burstP, burstR, burstH, burstK, probePackets, probeAddresses",
    ]);
  });

  it("suggests the kind that was meant", () => {
    assert.match(reasons("packetLos", {}, undefined, "actions.x")[0]!, /did you mean "packetLoss"/);
  });

  it("names the nearest that makes sense on a target", () => {
    assert.match(reasons("linkDown", {}, "flow", "a")[0]!, /makes no sense on a flow; .*blackhole/);
    assert.match(reasons("machineHang", {}, "link", "a")[0]!, /makes no sense on a link; .*machine/);
  });

  it("names every problem of a direction's values at once, with its path and its cure", () => {
    const parameters = {
      direction: "ingress",
      percent: 5,
      egress: { percent: 120, delayMilliseconds: 5, seed: 1 },
      ingress: {},
    };
    const takes = "percent, burstP, burstR, burstH, burstK";
    assert.deepEqual(reasons("packetLoss", parameters as never, "link", "actions.x"), [
      "actions.x.egress: has values, but the direction is ingress; leave egress out, or set `direction` to both",
      "actions.x.egress.percent: 120 is not allowed; allowed is 0.01 to 100 %",
      `actions.x.egress.delayMilliseconds: packetLoss takes no delayMilliseconds; it takes ${takes}`,
      `actions.x.egress.seed: packetLoss takes no seed; it takes ${takes}`,
      `actions.x.ingress: is empty; give one of ${takes}, or leave ingress out`,
    ]);
  });

  it("needs for each direction what the kind needs", () => {
    assert.deepEqual(reasons("latency", { egress: { delayMilliseconds: 5 } }, "link", "a"), [
      "a.delayMilliseconds: missing; latency needs it; allowed is 0.1 to 60000 ms; or set `direction` to egress to leave ingress alone",
    ]);
    assert.deepEqual(reasons("latency", { egress: { delayMilliseconds: 5 }, direction: "egress" }, "link", "a"), []);
    assert.deepEqual(reasons("bandwidth", { ingress: { burstBytes: 2000 } }, "link", "a").length, 2);
  });

  it("takes a share in one direction and bursts in the other", () => {
    const mixed = { percent: 5, ingress: { burstP: 0.1, burstR: 0.5 } };
    assert.deepEqual(reasons("packetLoss", mixed, "link", "a"), []);
    assert.deepEqual(reasons("packetLoss", { burstP: 0.1, burstR: 0.5, egress: { percent: 5 } }, "link", "a"), []);
  });

  for (const [kind, parameters, expected] of [
    [
      "latency",
      { delayMilliseconds: 9, jitterMilliseconds: 9, egress: { delayMilliseconds: 5 } },
      /^a\.egress\.jitterMilliseconds: 9 is more than the delay of 5 ms/,
    ],
    [
      "packetLoss",
      { ingress: { percent: 5, burstP: 0.1, burstR: 0.1 }, direction: "ingress" },
      /^a\.ingress\.percent: .*exclude each other/,
    ],
    ["packetLoss", { percent: 5, ingress: { burstP: 0.1 } }, /^a\.ingress\.burstR: missing/],
    [
      "reorder",
      { egress: { gap: 5 } },
      /^a: reorder needs `percent`, `gap` or both; or set `direction` to egress to leave ingress alone/,
    ],
    [
      "blackhole",
      { egress: { mode: "explode" } },
      /^a\.egress\.mode: "explode" is not allowed; allowed is drop, reject, reset/,
    ],
    ["machineCrash", { egress: { percent: 5 } }, /^a\.egress: machineCrash takes no egress/],
    ["corruption", { percent: 5, egress: 20 }, /^a\.egress: 20 is not an object with values such as percent/],
    ["blackhole", { probeAddresses: ["10.0.0.1"] }, /^a\.probeAddresses: has no meaning without `probePackets: true`/],
    [
      "blackhole",
      { probePackets: true, probeAddresses: ["web-1"] },
      /^a\.probeAddresses\[0\]: "web-1" is no IPv4 or IPv6/,
    ],
    ["blackhole", { probePackets: true, probeAddresses: [] }, /^a\.probeAddresses: is empty/],
    ["payloadCorruption", { percent: 5, probePackets: true }, /takes no probePackets \(a ping would not feel it\)/],
    ["machineHang", { probePackets: true }, /machineHang takes no probePackets/],
    [
      "packetLoss",
      { percent: 5, egress: { probePackets: true } },
      /^a\.egress\.probePackets: packetLoss takes no probePackets/,
    ],
    ["latency", {}, /delayMilliseconds: missing; latency needs it; allowed is 0.1 to 60000 ms/],
    ["latency", { delayMilliseconds: 5, jitterMilliseconds: 9 }, /packets cannot arrive early/],
    ["latency", { delayMilliseconds: 5, distribution: "pareto" }, /no meaning without `jitterMilliseconds`/],
    ["latency", { delayMilliseconds: "5" }, /"5" is not allowed/],
    ["packetLoss", {}, /`percent` for independent loss, or `burstP`/],
    ["packetLoss", { percent: 5, burstP: 0.1 }, /exclude each other/],
    ["packetLoss", { percent: 5, burstR: 0.1 }, /belong to bursts/],
    ["packetLoss", { burstP: 0.1 }, /burstR: missing/],
    ["corruption", { percent: 1, bitsPerPacket: 1.5 }, /a whole number from 1 to 16 bits/],
    ["reorder", {}, /needs `percent`, `gap` or both/],
    ["blackhole", { mode: "explode" }, /allowed is drop, reject, reset/],
    ["dnsFailure", { names: [] }, /is empty/],
    ["dnsFailure", { names: ["a b"] }, /no host name/],
    ["dnsFailure", { names: ["a"], answer: "wrongAddress" }, /needs an address/],
    ["dnsFailure", { names: ["a"], wrongAddress: "1.2.3.4" }, /belongs to the answer/],
    ["processKill", { processPattern: "a; rm -rf /" }, /is not allowed/],
    ["processKill", { processPattern: "a", signal: "NOPE" }, /no signal that can be sent/],
  ] as const) {
    it(`refuses ${kind} with ${JSON.stringify(parameters)}`, () => {
      assert.match(reasons(kind, parameters as never, "machine", "a").join("\n"), expected);
    });
  }
});

describe("compile refuses", () => {
  const network = targetOf("link", "network", "v1");
  const loss = { kind: "packetLoss" as const, id: "x", durationSeconds: 10, percent: 5 };
  const relay = capabilitySets.relay!;

  for (const [what, given, target, capabilities, expected] of [
    ["a name that could not be quoted", { ...loss, id: "a b" }, network, relay, /fault.id: "a b" is not allowed/],
    ["no duration", { ...loss, durationSeconds: 0 }, network, relay, /durationSeconds: 0 is not allowed/],
    ["a target without links", loss, { ...network, links: [] }, relay, /resolved to no link/],
    ["a flow without a field", loss, { ...network, kind: "flow", flow: {} }, relay, /names no field/],
    [
      "a flow of two families",
      loss,
      { ...network, kind: "flow", flow: { sourceCidr: "10.0.0.0/8", destinationCidr: "fd00::/8" } },
      relay,
      /different families/,
    ],
    [
      "a flow of ICMP with ports",
      loss,
      { ...network, kind: "flow", flow: { protocol: "icmp", sourcePorts: "1" } },
      relay,
      /icmp has no ports/,
    ],
    [
      "a state without TCP",
      loss,
      { ...network, kind: "flow", flow: { protocol: "udp", state: "new" } },
      relay,
      /only tcp/,
    ],
    [
      "a port out of range",
      loss,
      { ...network, kind: "flow", flow: { destinationPorts: "70000" } },
      relay,
      /no port or range/,
    ],
    [
      "a flow of the management path",
      loss,
      { ...network, kind: "flow", flow: { destinationCidr: "100.64.1.2/32" } },
      relay,
      /management path/,
    ],
    [
      "a delay without netem and relay",
      { ...loss, kind: "latency", percent: undefined, delayMilliseconds: 5 },
      network,
      { ...relay, relay: undefined },
      /needs netem or the delay relay.*install/,
    ],
    ["a kernel without egress hook", loss, network, { ...relay, nftNetdevEgress: false }, /egress hook; install/],
    [
      "a limit without tbf",
      { ...loss, kind: "bandwidth", percent: undefined, bitsPerSecond: 1e6 },
      network,
      { ...relay, tbf: false },
      /needs tc's tbf/,
    ],
    [
      "names with wildcards",
      { id: "x", kind: "dnsFailure", durationSeconds: 5, names: ["*.x"] },
      targetOf("machine", "network", "v1"),
      relay,
      /whole names/,
    ],
  ] as const) {
    it(what, () => {
      assert.throws(
        () => compile(given as never, target as never, capabilities),
        (error: unknown) => error instanceof ProblemsError && expected.test(error.message),
      );
    });
  }

  it("machines that run nothing, or have no control groups", () => {
    const target = targetOf("machine", "network", "v1");
    const bare = { ...target, machines: [{ name: "app-1", links: target.links, cgroups: {} }] };
    for (const [kind, expected] of [
      ["machineCrash", /runs nothing that can be crashed/],
      ["machineHang", /no control group of freezer/],
      ["diskExhaustion", /has no disk/],
    ] as const) {
      const share = kind === "diskExhaustion" ? { sharePercent: 50 } : {};
      assert.throws(() => compile({ kind, id: "x", durationSeconds: 5, ...share }, bare, relay), expected);
    }
  });
});
