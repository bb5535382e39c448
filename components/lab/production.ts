import { isDeepStrictEqual } from "node:util";

import type { Topology } from "../topology";
import { createMachine, machineStatus, writtenMachine } from "./kernel/machine";
import { deleteMirror } from "./kernel/mirror";
import { createNetwork, deleteNetwork, machineNames, readNetwork } from "./kernel/network";
import type { LabMachineSpec } from "./kernel/specs";
import { createSubnet, writtenSubnet } from "./kernel/subnet";
import { planNetwork } from "./plan";

/** Settings of {@link buildProduction}. */
export interface BuildSettings {
  /** Folder against which the topology's relative data folders are resolved: the topology file's own. */
  dataRoot?: string;
  /** Who builds it; another owner's network is never touched. Defaults to the network's name. */
  owner?: string;
  /** Takes one line for each step. Defaults to none. */
  log?: (line: string) => void;
}

/**
 * Builds a production network from a topology, outside machines included. When a part of it fails, all of it is
 * removed again; what the same owner left half-built under this name is removed first.
 */
export async function buildProduction(topology: Topology, name: string, settings: BuildSettings = {}): Promise<void> {
  const { dataRoot, owner, log = () => undefined } = settings;
  const { network, subnets, machines } = planNetwork(topology, name, "production", { dataRoot, owner });
  await createNetwork(network);
  try {
    log(`router and switch of ${name}`);
    for (const subnet of subnets) await createSubnet(subnet);
    log(`${subnets.length} subnets`);
    await allOrFirstError(
      machines.map(async (machine) => {
        await createMachine(machine);
        log(
          `machine ${machine.machine}${machine.workload === undefined ? "" : `: ${machine.workload.command.join(" ")}`}`,
        );
      }),
    );
  } catch (error) {
    await deleteNetwork(name);
    throw error;
  }
}

/** Whether a production under this name was built from the same topology and all of its machines run. */
export async function isRunningProduction(topology: Topology, name: string): Promise<boolean> {
  const network = await readNetwork(name);
  if (network?.role !== "production") return false;
  const { subnets, machines } = planNetwork(topology, name, "production");
  const built = await Promise.all([
    ...subnets.map(async (planned) => isDeepStrictEqual(await writtenSubnet(name, planned.subnet), asWritten(planned))),
    ...machines.map(async (planned) => {
      const [written, status] = [
        await writtenMachine(name, planned.machine),
        await machineStatus(name, planned.machine),
      ];
      return status?.running === true && isDeepStrictEqual(withoutSource(written), withoutSource(asWritten(planned)));
    }),
  ]);
  return !built.includes(false) && (await machineNames(name)).length === machines.length;
}

/** A spec as it comes back from a file: what is undefined is left out. */
function asWritten<T>(spec: T): T {
  return JSON.parse(JSON.stringify(spec)) as T;
}

/** The data a machine started with lies wherever the topology file lay at that time. */
function withoutSource(spec: LabMachineSpec | undefined): Partial<LabMachineSpec> {
  return { ...spec, dataSource: undefined };
}

/** Waits for all, so that nothing is still being built when the clean-up starts. */
async function allOrFirstError(tasks: Promise<void>[]): Promise<void> {
  for (const result of await Promise.allSettled(tasks)) if (result.status === "rejected") throw result.reason;
}

/** Removes a lab network, production or shadow, built or half-built; nothing of it is left, in production neither. */
export async function destroyNetwork(name: string): Promise<void> {
  await deleteMirror(name);
  await deleteNetwork(name);
}
