import { type Experiment, type ExperimentAction, type FaultTarget } from "../../components/experiment";

type Random = () => number;

const flows: FaultTarget[] = [
  { machine: "web-1", flow: { protocol: "tcp", destinationCidr: "10.90.1.11/32", destinationPorts: "80" } },
  { machine: "web-1", flow: { protocol: "tcp", destinationCidr: "fd00:90:0:1::11/128", destinationPorts: "80" } },
  { link: "front", flow: { sourceCidr: "fd00:90:0:1::/64" } },
  { link: "web-2/eth0", flow: { protocol: "tcp", sourceCidr: "10.90.1.12/32", state: "established" } },
];
const links: FaultTarget[] = [{ link: "web-1/eth0" }, { link: "web-2/eth0" }, { link: "front" }];
const machines: FaultTarget[] = [{ machine: "web-1" }, { machine: "web-2" }];
const wherever = [...flows, ...links, ...machines];

/** Every kind with parameters of each of its mechanisms, and what it can hit here. */
const choices: [Omit<ExperimentAction, "target">, FaultTarget[]][] = [
  [{ fault: "linkDown" }, [...links, ...machines]],
  [{ fault: "blackhole", mode: "drop" }, wherever],
  [{ fault: "blackhole", mode: "reject" }, wherever],
  [{ fault: "blackhole", mode: "reset" }, wherever],
  [{ fault: "latency", delayMilliseconds: 40, jitterMilliseconds: 10, distribution: "pareto" }, wherever],
  [{ fault: "latency", delayMilliseconds: 80, direction: "egress" }, wherever],
  [{ fault: "packetLoss", percent: 30 }, wherever],
  [{ fault: "packetLoss", burstP: 0.1, burstR: 0.4 }, wherever],
  [{ fault: "corruption", percent: 20, bitsPerPacket: 2 }, wherever],
  [{ fault: "payloadCorruption", percent: 20 }, wherever],
  [{ fault: "duplicate", percent: 30 }, wherever],
  [{ fault: "reorder", percent: 30, delayMilliseconds: 20 }, wherever],
  [{ fault: "bandwidth", bitsPerSecond: 1e6 }, wherever],
  [{ fault: "machineCrash" }, machines],
  [{ fault: "machineHang" }, machines],
  [{ fault: "cpuExhaustion", sharePercent: 60 }, machines],
  [{ fault: "memoryExhaustion", sharePercent: 20 }, machines],
  [{ fault: "memoryExhaustion", sharePercent: 5, memoryMode: "pressure" }, [{ machine: "web-1" }]],
  [{ fault: "diskExhaustion", sharePercent: 50 }, [{ machine: "web-2" }]],
  [{ fault: "ioExhaustion", sharePercent: 50 }, machines],
  [{ fault: "processKill", processPattern: "tail", intervalSeconds: 0.5 }, machines],
  [{ fault: "processKill", processPattern: "app.cjs" }, machines],
  [{ fault: "dnsFailure", names: ["shop.example"], answer: "servfail" }, machines],
];

function pick<T>(random: Random, values: readonly T[]): T {
  return values[Math.floor(random() * values.length)]!;
}

function action(random: Random, relayed: boolean): ExperimentAction {
  const possible = relayed ? choices.filter(([{ fault }]) => fault === "latency" || fault === "reorder") : choices;
  const [fault, targets] = pick(random, possible);
  return { ...fault, target: pick(random, targets), durationSeconds: 1 + Math.round(random() * 20) / 10 };
}

/** One fault, or two of different kinds that overlap in time; `relayed` makes the first one need the relay. */
export function randomExperiment(random: Random, relayed: boolean): Experiment {
  const first = action(random, relayed);
  const actions: Record<string, ExperimentAction> = { first };
  if (random() < 0.4) {
    const second = action(random, false);
    if (second.fault !== first.fault) {
      actions["pause"] = { waitSeconds: 0.1 + random() };
      actions["second"] = { ...second, startAfter: ["pause"] };
    }
  }
  return {
    actions,
    blastRadius: { percent: 100 },
    analysis: { baselineSeconds: 0.2, recoverySeconds: 0.5, settleSeconds: 0, stepSeconds: 0.5 },
  };
}
