import { tryRun } from "../../internal/exec";
import { ShadownetError } from "../../internal/problems";
import { applianceNamespace, bridgeName, machineNamespace, machinePort } from "./names";
import { namespaceExists, namespacePath } from "./namespaces";
import type { LabInterfaceSpec } from "./specs";

/** Lines of `ip` on the switch's side of one machine. */
interface Wiring {
  /** `netns add …`; none when the namespace is there. */
  namespaces: string[];
  links: string[];
  done: () => void;
  failed: (error: unknown) => void;
}

const waiting = new Map<string, Wiring[]>();
const busy = new Set<string>();

/**
 * Connects interfaces of a machine to the switch, making the machine's namespace first when it is new. Machines that
 * are made at the same time share one process of `ip`, which is what makes large networks quick.
 */
export async function plugIn(
  { network, machine }: { network: string; machine: string },
  interfaces: readonly LabInterfaceSpec[],
  isNew: boolean,
): Promise<void> {
  const hub = applianceNamespace(network, "switch");
  if (!(await namespaceExists(hub))) {
    throw new ShadownetError("no-such-network", `there is no lab network "${network}" to connect "${machine}" to`);
  }
  const namespace = machineNamespace(network, machine);
  await new Promise<void>((done, failed) => {
    const namespaces = isNew ? [`netns add ${namespace}`] : [];
    const links = interfaces.flatMap((card) => linkLines(machine, namespace, card));
    waiting.set(network, [...(waiting.get(network) ?? []), { namespaces, links, done, failed }]);
    if (!busy.has(network)) setImmediate(() => void workOff(network, hub));
  });
}

function linkLines(machine: string, namespace: string, card: LabInterfaceSpec): string[] {
  const port = machinePort(machine, card.name);
  const peer = `peer name ${card.name} address ${card.mac} mtu 1500 netns ${namespace}`;
  return [
    `link add ${port} mtu 1500 type veth ${peer}`,
    `link set ${port} master ${bridgeName(card.subnet)} alias "${machine}/${card.name}" up`,
  ];
}

async function workOff(network: string, hub: string): Promise<void> {
  if (busy.has(network)) return;
  busy.add(network);
  for (;;) {
    const batch = waiting.get(network) ?? [];
    waiting.delete(network);
    if (batch.length === 0) break;
    await wire(hub, batch);
  }
  busy.delete(network);
}

async function wire(hub: string, batch: Wiring[]): Promise<void> {
  const lines = [...batch.flatMap(({ namespaces }) => namespaces), ...batch.flatMap(({ links }) => links)];
  try {
    // Not `ip -n`: it works in a mount namespace of its own, where new namespaces would stay invisible to everybody.
    const argv = ["nsenter", `--net=${namespacePath(hub)}`, "ip", "-batch", "-"];
    const { code, stderr } = await tryRun(argv, { stdin: `${lines.join("\n")}\n` });
    if (code === 0) for (const { done } of batch) done();
    else if (batch.length === 1) batch[0]!.failed(wiringError(lines, stderr));
    else await wireOneByOne(hub, batch);
  } catch (error) {
    for (const { failed } of batch) failed(error);
  }
}

/** After a failure, each machine by itself, so that only the one at fault fails. */
async function wireOneByOne(hub: string, batch: Wiring[]): Promise<void> {
  const undo = batch.flatMap(({ namespaces, links }) => [
    ...links.flatMap((line) => (line.startsWith("link add") ? [`link del ${line.split(" ")[2]!}`] : [])),
    ...namespaces.map((line) => line.replace("add", "del")),
  ]);
  const argv = ["nsenter", `--net=${namespacePath(hub)}`, "ip", "-force", "-batch", "-"];
  await tryRun(argv, { stdin: `${undo.join("\n")}\n` });
  for (const wiring of batch) await wire(hub, [wiring]);
}

function wiringError(lines: string[], stderr: string): ShadownetError {
  const number = /Command failed -:(\d+)/.exec(stderr)?.[1];
  const reason = stderr.replace(/\s*Command failed -:\d+\s*/g, " ").trim();
  return new ShadownetError("kernel-refused", `\`ip ${lines[Number(number) - 1] ?? ""}\`: ${reason}`);
}
