import { z } from "zod";

import type { Direction, ExperimentAction } from "../../experiment";

/** A fault that an action of a Chaos Toolkit extension stands for. */
export interface KnownAction {
  parameters: ExperimentAction;
  /** In which points it differs. */
  notes: string[];
}

type Arguments = Record<string, unknown>;

const chaosMesh = "chaosk8s.chaosmesh.network.actions";
const toxiproxy = "chaostoxi.toxic.actions";

/** Chaos Mesh's and Toxiproxy's actions, and those that stop machines. */
const actions: Record<string, (given: Arguments) => KnownAction> = {
  [`${chaosMesh}.add_latency`]: (given) =>
    fault({
      fault: "latency",
      ...direction(given),
      delayMilliseconds: milliseconds(given["latency"]),
      jitterMilliseconds: milliseconds(given["jitter"]),
    }),
  [`${chaosMesh}.set_loss`]: (given) =>
    fault({ fault: "packetLoss", ...direction(given), percent: plainNumber(given["loss"]) }, correlation(given)),
  [`${chaosMesh}.corrupt_packets`]: (given) =>
    fault({ fault: "corruption", ...direction(given), percent: plainNumber(given["corrupt"]) }, correlation(given)),
  [`${chaosMesh}.duplicate_packets`]: (given) =>
    fault({ fault: "duplicate", ...direction(given), percent: plainNumber(given["duplicate"]) }, correlation(given)),
  [`${chaosMesh}.reorder_packets`]: (given) =>
    fault(
      { fault: "reorder", ...direction(given), percent: plainNumber(given["reorder"]), gap: plainNumber(given["gap"]) },
      correlation(given),
    ),
  [`${chaosMesh}.set_bandwidth`]: (given) =>
    fault({ fault: "bandwidth", ...direction(given), bitsPerSecond: bitsPerSecond(given["rate"]) }),
  [`${toxiproxy}.create_latency_toxic`]: (given) =>
    fault(
      {
        fault: "latency",
        direction: "egress",
        delayMilliseconds: plainNumber(given["latency"]),
        jitterMilliseconds: plainNumber(given["jitter"]),
        distribution: "uniform",
      },
      ["it delays packets on the wire, a toxic delays the data of one proxy"],
    ),
  [`${toxiproxy}.create_bandwith_degradation_toxic`]: (given) =>
    fault({ fault: "bandwidth", direction: "egress", bitsPerSecond: (plainNumber(given["rate"]) ?? 0) * 8000 }),
  "chaosaws.ec2.actions.stop_instance": crash,
  "chaosaws.ec2.actions.stop_instances": crash,
  "chaosazure.machine.actions.stop_machines": crash,
  "chaosk8s.pod.actions.terminate_pods": crash,
};

const undoing = [
  `${chaosMesh}.delete_network_fault`,
  `${toxiproxy}.delete_toxic`,
  "chaosaws.ec2.actions.start_instances",
  "chaosazure.machine.actions.start_machines",
];

/** The fault that an action stands for; `undo` for one that only takes a fault back; undefined for any other. */
export function knownAction(provider: {
  module?: string;
  func?: string;
  arguments?: unknown;
}): KnownAction | "undo" | undefined {
  const name = `${provider.module ?? ""}.${provider.func ?? ""}`;
  if (undoing.includes(name)) return "undo";
  const given = z.record(z.string(), z.unknown()).safeParse(provider.arguments ?? {});
  return actions[name]?.(given.success ? given.data : {});
}

function fault(parameters: ExperimentAction, notes: string[] = []): KnownAction {
  const given = Object.entries(parameters).filter(([, value]) => value !== undefined);
  return { parameters: Object.fromEntries(given), notes };
}

function crash(): KnownAction {
  return fault({ fault: "machineCrash" }, ["the machine starts again when the fault ends"]);
}

/** Chaos Mesh's `to` is what the target sends, `from` what it gets. */
function direction(given: Arguments): { direction: Direction } {
  if (given["direction"] === "both") return { direction: "both" };
  return { direction: given["direction"] === "from" ? "ingress" : "egress" };
}

function correlation(given: Arguments): string[] {
  const value = plainNumber(given["correlation"]) ?? 0;
  if (value === 0) return [];
  return [`its correlation of ${value} is left out; burstP and burstR describe bursts`];
}

/** `3`, `"3"` or `"3%"`. */
function plainNumber(value: unknown): number | undefined {
  if (typeof value === "number") return value;
  if (typeof value !== "string" || value.trim() === "") return undefined;
  const number = Number(value.replace(/%$/, ""));
  return Number.isFinite(number) ? number : undefined;
}

/** Go's durations as Chaos Mesh writes them: `90ms`, `1.5s`, `100us`. */
function milliseconds(value: unknown): number | undefined {
  const match = /^([\d.]+)(us|µs|ms|s)$/.exec(typeof value === "string" ? value.trim() : "");
  if (match === null) return plainNumber(value);
  const factors: Record<string, number> = { us: 0.001, µs: 0.001, ms: 1, s: 1000 };
  return Number(match[1]) * factors[match[2]!]!;
}

/** `1mbps` in tc's units: bytes per second with `bps`, bits per second with `bit`. */
function bitsPerSecond(value: unknown): number | undefined {
  const match = /^([\d.]+)\s*([kmgt]?)(bps|bit)$/i.exec(typeof value === "string" ? value.trim() : "");
  if (match === null) return plainNumber(value);
  const factor = 1000 ** ["", "k", "m", "g", "t"].indexOf(match[2]!.toLowerCase());
  return Number(match[1]) * factor * (match[3]!.toLowerCase() === "bps" ? 8 : 1);
}
