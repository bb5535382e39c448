import type { FaultKind, FaultParameters, Flow } from "../../../../components/experiment";
import type { Capabilities, ResolvedLink, ResolvedTarget } from "../../../../components/runtime/faults/plan";

/** What a kernel without netem and one with everything can do. */
export const capabilitySets: Record<string, Capabilities> = {
  relay: {
    netem: false,
    tbf: true,
    htb: true,
    nftNetdevIngress: true,
    nftNetdevEgress: true,
    vxlan: true,
    cgroup: "v1",
    systemdRun: false,
    atd: false,
    ethtool: true,
    mirred: true,
    ifb: true,
    relay: ["/usr/bin/node", "/usr/lib/shadownet/relay.js"],
  },
  netem: {
    netem: true,
    tbf: true,
    htb: true,
    nftNetdevIngress: true,
    nftNetdevEgress: true,
    vxlan: true,
    cgroup: "v2",
    systemdRun: true,
    atd: true,
    ethtool: true,
    mirred: true,
    ifb: true,
  },
};

const flow: Flow = { protocol: "tcp", destinationCidr: "10.1.2.0/24", destinationPorts: "5432" };

function link(side: ResolvedLink["side"]): ResolvedLink {
  const inside = { device: "eth0", namespace: "sn.shop.app-1" };
  const network = { namespace: "sn.shop.@switch", peer: inside, probeAddresses: ["10.1.1.1", "fd00:1:1::1"] };
  return side === "network"
    ? { name: "app-1/eth0", device: "m123", side, addresses: ["10.1.1.5"], ...network }
    : { name: "app-1/eth0", device: "eth0", side, addresses: ["10.1.1.5"] };
}

/** Targets as a lab resolves them (the network's side) and as a bare machine does. */
export function targetOf(
  kind: ResolvedTarget["kind"],
  side: ResolvedLink["side"],
  cgroup: Capabilities["cgroup"],
): ResolvedTarget {
  const links = [link(side)];
  const folders = {
    cpu: "/cg/cpu/app-1",
    memory: "/cg/memory/app-1",
    freezer: "/cg/freezer/app-1",
    blkio: "/cg/blkio/app-1",
  };
  const machine = {
    name: "app-1",
    links,
    ...(side === "network" ? { namespace: "sn.shop.app-1", hostsFile: "/var/lib/app-1/hosts" } : {}),
    cgroups: cgroup === "v2" ? { unified: "/cg/app-1" } : folders,
    dataFolder: "/var/lib/app-1/data",
    crashCommand: ["sh", "/var/lib/app-1/crash.sh"],
    restartCommand: ["sh", "/var/lib/app-1/start.sh"],
    aliveCommand: ["sh", "/var/lib/app-1/alive.sh"],
  };
  return {
    kind,
    name: kind === "link" ? "app-1/eth0" : "app-1",
    machines: kind === "machine" ? [machine] : [],
    links,
    ...(kind === "flow" ? { flow } : {}),
    exempt: [{ destinationCidr: "100.64.0.0/10" }, { protocol: "tcp", destinationPorts: "22" }],
  };
}

/** Every kind with parameters that it takes. */
export const faults: [FaultKind, FaultParameters][] = [
  ["linkDown", {}],
  ["blackhole", {}],
  ["blackhole", { mode: "reject" }],
  ["blackhole", { mode: "reset", direction: "ingress" }],
  ["latency", { delayMilliseconds: 80 }],
  ["latency", { delayMilliseconds: 80, jitterMilliseconds: 10, distribution: "paretonormal", seed: 7 }],
  ["packetLoss", { percent: 0.05, seed: 1 }],
  ["packetLoss", { percent: 100 }],
  ["packetLoss", { burstP: 0.0005, burstR: 0.3, seed: 1, direction: "egress" }],
  ["corruption", { percent: 0.05, bitsPerPacket: 2, seed: 1 }],
  ["payloadCorruption", { percent: 0.05, seed: 1, direction: "ingress" }],
  ["duplicate", { percent: 0.05, seed: 1 }],
  ["reorder", { gap: 5, delayMilliseconds: 10, seed: 1 }],
  ["reorder", { percent: 0.05, seed: 1 }],
  ["bandwidth", { bitsPerSecond: 1e6 }],
  ["machineCrash", {}],
  ["machineCrash", { staysDown: true }],
  ["machineHang", {}],
  ["cpuExhaustion", { sharePercent: 75 }],
  ["memoryExhaustion", { sharePercent: 75 }],
  ["memoryExhaustion", { sharePercent: 75, memoryMode: "pressure" }],
  ["diskExhaustion", { sharePercent: 100 }],
  ["ioExhaustion", { sharePercent: 50 }],
  ["processKill", { processPattern: "postgres*", intervalSeconds: 5 }],
  ["dnsFailure", { names: ["db.internal"] }],
  ["dnsFailure", { names: ["db.internal"], answer: "wrongAddress", wrongAddress: "fd00::9" }],
  ["blackhole", { egress: { mode: "drop" }, ingress: { mode: "reset" } }],
  ["latency", { egress: { delayMilliseconds: 10 }, ingress: { delayMilliseconds: 40 } }],
  ["latency", { delayMilliseconds: 40, egress: { jitterMilliseconds: 4, distribution: "uniform" }, seed: 7 }],
  ["packetLoss", { egress: { percent: 0.05 }, ingress: { percent: 0.1 }, seed: 1 }],
  ["packetLoss", { percent: 0.05, ingress: { burstP: 0.0005, burstR: 0.3 }, seed: 1 }],
  ["corruption", { percent: 0.05, egress: { bitsPerPacket: 2 }, ingress: { percent: 0.1 }, seed: 1 }],
  ["payloadCorruption", { percent: 0.05, ingress: { percent: 0.1 }, seed: 1 }],
  ["duplicate", { percent: 0.05, ingress: { percent: 0.1 }, seed: 1 }],
  ["reorder", { gap: 5, egress: { delayMilliseconds: 20 }, ingress: { percent: 0.1 }, seed: 1 }],
  ["bandwidth", { bitsPerSecond: 1e6, ingress: { bitsPerSecond: 8e6, burstBytes: 65536 } }],
  ["packetLoss", { percent: 0.05, probePackets: true, seed: 1 }],
  [
    "latency",
    {
      ...{ egress: { delayMilliseconds: 10 }, ingress: { delayMilliseconds: 1500 } },
      ...{ probePackets: true, probeAddresses: ["10.1.2.7"] },
    },
  ],
  ["linkDown", { probePackets: true }],
];
