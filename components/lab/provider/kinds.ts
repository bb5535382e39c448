import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { readRecord, writeAtomically } from "../../internal/files";
import { requireLabHost } from "../../internal/labHost";
import { createGateway, deleteGateway, readGateway, updateGateway } from "../kernel/gateway";
import { createMachine, deleteMachine, readMachine, updateMachine } from "../kernel/machine";
import { createMirror, deleteMirror, readMirror, updateMirror } from "../kernel/mirror";
import { networkFolder } from "../kernel/names";
import { createNetwork, deleteNetwork, readNetwork } from "../kernel/network";
import type { LabGatewaySpec, LabMachineSpec, LabMirrorSpec, LabNetworkSpec, LabSubnetSpec } from "../kernel/specs";
import { createSubnet, deleteSubnet, readSubnet, updateSubnet } from "../kernel/subnet";
import { type ShadowRecord, shadowRecordFile } from "../shadowRecord";
import { prepareHost, requireNetwork } from "./preparation";
import type { Field, ResourceContext, ResourceKind } from "./resource";
import { type Properties, equal } from "./values";

const network: Field = { type: "string", description: "Name of the lab network on this host." };
const list = (description: string): Field => ({ type: "array", description });
const text = (description: string): Field => ({ type: "string", description });
const maybe = (field: Field): Field => ({ ...field, optional: true });

/** Inputs without one of them. */
function without(inputs: object, name: string): Properties {
  return Object.fromEntries(Object.entries(inputs).filter(([key]) => key !== name));
}

/** Inputs that a program can compare: what the spec has and the program leaves out is left out. */
function inputsFrom(spec: object, known: Properties): Properties {
  const found: Properties = Object.fromEntries(Object.entries(spec).filter(([, value]) => value !== undefined));
  return Object.keys(known).length > 0 && equal(found, known) ? known : found;
}

/** Name of the network and of the part, from an id such as `shop-dev/web-1`. */
function partsOf(id: string): { owner: string; part: string } {
  const slash = id.indexOf("/");
  return { owner: id.slice(0, slash), part: id.slice(slash + 1) };
}

/** A part of a network that is gone when the network is. */
async function within<T>(owner: string, read: () => Promise<T | undefined>): Promise<T | undefined> {
  requireLabHost();
  return (await readNetwork(owner)) === undefined ? undefined : read();
}

/** The stack and the folder of its project: another stack of the same names elsewhere is another owner. */
function ownerOf({ urn }: ResourceContext): string {
  return `${urn} of ${process.cwd()}`;
}

const networkKind: ResourceKind = {
  description: "A lab network: the namespaces of its router and switch, and its folder.",
  fields: {
    network,
    role: text("`shadow`, or `production` for a network that may have an outside."),
    topology: text("Name of the topology that it was built from."),
    record: { type: "object", description: "What those who run experiments need to know of the network." },
  },
  replaceOn: ["network", "role"],
  id: (inputs) => String(inputs.network),
  async create(inputs, context) {
    const spec = { ...without(inputs, "record"), owner: ownerOf(context) } as unknown as LabNetworkSpec;
    prepareHost(spec.network);
    await createNetwork(spec);
    await writeRecord(spec.network, inputs.record);
  },
  async read(id, known) {
    requireLabHost();
    const spec = await readNetwork(id);
    const record = await readRecord<ShadowRecord>(shadowRecordFile(id));
    if (spec === undefined) return undefined;
    return inputsFrom({ ...without(spec, "owner"), record }, known);
  },
  async update(_old, inputs, context) {
    const name = String(inputs.network);
    prepareHost(name);
    await requireNetwork(name);
    const written = JSON.stringify({ ...without(inputs, "record"), owner: ownerOf(context) }, null, 2);
    await writeAtomically(join(networkFolder(name), "network.json"), `${written}\n`);
    await writeRecord(name, inputs.record);
  },
  async delete(inputs) {
    prepareHost(String(inputs.network));
    await deleteMirror(String(inputs.network), (inputs.record as ShadowRecord | undefined)?.production);
    await deleteNetwork(String(inputs.network));
  },
};

async function writeRecord(name: string, record: unknown): Promise<void> {
  await writeAtomically(shadowRecordFile(name), `${JSON.stringify(record, null, 2)}\n`);
}

const subnetKind: ResourceKind = {
  description: "A subnet of a lab network: a bridge on the switch, and the router's interface in it.",
  fields: {
    network,
    subnet: text("Name of the subnet."),
    cidr: text("IPv4 range."),
    ipv6Cidr: maybe(text("IPv6 range. Defaults to none.")),
    gatewayAddresses: list("The router's addresses."),
    routes: list("Routes for packets from this subnet."),
    acl: list("Stateless rules on the link to the router; none means open."),
    localCidrs: maybe(list("Ranges that the router serves by itself. Defaults to the subnet's own.")),
    aclName: maybe(text("Name of the network ACL. Defaults to the subnet's name.")),
    boundary: maybe(text("Name of the boundary that it lies behind. Defaults to none.")),
    boundaryCidrs: maybe(list("Ranges behind that boundary. Defaults to the subnet's own.")),
  },
  replaceOn: ["network", "subnet", "cidr", "ipv6Cidr", "boundary"],
  id: (inputs) => `${String(inputs.network)}/${String(inputs.subnet)}`,
  async create(inputs) {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    await createSubnet(inputs as unknown as LabSubnetSpec);
  },
  async read(id, known) {
    const { owner, part } = partsOf(id);
    const spec = await within(owner, () => readSubnet(owner, part));
    return spec === undefined ? undefined : inputsFrom(spec, known);
  },
  async update(old, inputs) {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    await updateSubnet(old as unknown as LabSubnetSpec, inputs as unknown as LabSubnetSpec);
  },
  async delete(inputs) {
    prepareHost(String(inputs.network));
    await deleteSubnet(String(inputs.network), String(inputs.subnet));
  },
};

const machineKind: ResourceKind = {
  description: "A machine of a lab network: namespaces, links, control groups, data folder, processes.",
  fields: {
    network,
    machine: text("Name of the machine."),
    role: maybe(text("What it does. Defaults to nothing said.")),
    interfaces: list("Its interfaces, with addresses and filters."),
    forwarding: { type: "boolean", description: "Whether it forwards packets for others." },
    routes: list("Routes beside the default ones."),
    size: maybe({ type: "object", description: "Processors and memory. Defaults to unlimited." }),
    workload: maybe({ type: "object", description: "The program that it runs. Defaults to none." }),
    hosts: { type: "object", description: "Names that it resolves, each with its addresses." },
    dataSource: maybe(text("Folder whose content its data starts with. Defaults to empty.")),
    diskMegabytes: maybe({
      type: "number",
      description: "Size of a disk of its own for its data. Defaults to a folder on the host's disk.",
    }),
  },
  replaceOn: ["network", "machine"],
  id: (inputs) => `${String(inputs.network)}/${String(inputs.machine)}`,
  async create(inputs) {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    await createMachine(inputs as unknown as LabMachineSpec);
  },
  async read(id, known) {
    const { owner, part } = partsOf(id);
    const spec = await within(owner, () => readMachine(owner, part));
    return spec === undefined ? undefined : inputsFrom(spec, known);
  },
  async update(old, inputs) {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    await updateMachine(old as unknown as LabMachineSpec, inputs as unknown as LabMachineSpec);
  },
  async delete(inputs) {
    prepareHost(String(inputs.network));
    await deleteMachine(String(inputs.network), String(inputs.machine));
  },
};

const trafficFields: Record<string, Field> = {
  network,
  vni: { type: "number", description: "VXLAN network identifier of the cable." },
  percent: { type: "number", description: "Share of whole flows, 0–100." },
  seed: { type: "number", description: "Seed of the choice." },
  sampleBy: text("What is kept or dropped as a whole: flow, client or header."),
  include: list("Traffic to copy."),
  exclude: list("Traffic never copied."),
};

const gatewayKind: ResourceKind = {
  description: "A shadow's gateway: its default route, all of the outside that it sees, and the replaying process.",
  fields: {
    ...trafficFields,
    shadowCidrs: list("Ranges that the shadow keeps for itself."),
    responseTimeoutSeconds: { type: "number", description: "How long a response may take." },
    rejectCidrs: maybe(list("Ranges of the outside that refuse. Defaults to none.")),
    process: maybe(
      text("State of its process: `running`, or `dead` after a refresh found it so. Defaults to running."),
    ),
  },
  replaceOn: ["network", "vni"],
  check: (inputs) => ({ inputs: { process: "running", ...inputs } }),
  id: (inputs) => `${String(inputs.network)}/@gateway`,
  async create(inputs) {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    await createGateway(gatewaySpec(inputs));
  },
  async read(id, known) {
    const { owner } = partsOf(id);
    const reading = await within(owner, () => readGateway(owner));
    if (reading === undefined) return undefined;
    return inputsFrom({ ...reading.spec, process: reading.pid === undefined ? "dead" : "running" }, known);
  },
  async update(_old, inputs) {
    prepareHost(String(inputs.network));
    await updateGateway(gatewaySpec(inputs));
  },
  async delete(inputs) {
    prepareHost(String(inputs.network));
    await deleteGateway(String(inputs.network));
  },
};

function gatewaySpec(inputs: Properties): LabGatewaySpec {
  return without(inputs, "process") as unknown as LabGatewaySpec;
}

const mirrorKind: ResourceKind = {
  description: "The kernel rules that copy production's traffic to the shadow's gateway, over a one-way cable.",
  fields: {
    ...trafficFields,
    production: text("Name of production's network on this host."),
    services: list("Where clients knock: addresses, port and protocol of edge services."),
  },
  replaceOn: ["network", "production", "vni"],
  id: (inputs) => `${String(inputs.network)}/@mirror`,
  async create(inputs) {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    await createMirror(inputs as unknown as LabMirrorSpec);
  },
  async read(id, known) {
    const { owner } = partsOf(id);
    const reading = await within(owner, () => readMirror(owner));
    return reading === undefined ? undefined : inputsFrom(reading.spec, known);
  },
  async update(_old, inputs) {
    prepareHost(String(inputs.network));
    await updateMirror(inputs as unknown as LabMirrorSpec);
  },
  async delete(inputs) {
    prepareHost(String(inputs.network));
    await deleteMirror(String(inputs.network), String(inputs.production));
  },
};

/** A definition that is kept as a file in the network's folder, where the command line finds it. */
function definitionKind(description: string, named: boolean): ResourceKind {
  const fileOf = (owner: string, name: string): string =>
    named ? join(networkFolder(owner), "experiments", `${name}.json`) : join(networkFolder(owner), `${name}.json`);
  const nameOf = (inputs: Properties): string => (named ? String(inputs.name) : "monitor");
  const write = async (inputs: Properties): Promise<void> => {
    prepareHost(String(inputs.network));
    await requireNetwork(String(inputs.network));
    const file = fileOf(String(inputs.network), nameOf(inputs));
    await writeAtomically(file, `${JSON.stringify(inputs.definition, null, 2)}\n`);
  };
  return {
    description,
    fields: {
      network,
      ...(named ? { name: text("Name of the experiment.") } : {}),
      definition: { type: "object", description: "What is defined." },
    },
    replaceOn: named ? ["network", "name"] : ["network"],
    check: (inputs) => ({
      failures:
        !named || /^[A-Za-z][\w-]{0,62}$/.test(String(inputs.name))
          ? []
          : [{ property: "name", reason: `"${String(inputs.name)}" is not a name of letters, digits and hyphens` }],
    }),
    id: (inputs) => `${String(inputs.network)}/${nameOf(inputs)}`,
    create: write,
    async read(id, known) {
      const { owner, part } = partsOf(id);
      const content = await readFile(fileOf(owner, part), "utf8").catch(() => undefined);
      if (content === undefined) return undefined;
      return inputsFrom({ network: owner, ...(named ? { name: part } : {}), definition: parseOr(content) }, known);
    },
    update: (_old, inputs) => write(inputs),
    async delete(inputs) {
      prepareHost(String(inputs.network));
      await rm(fileOf(String(inputs.network), nameOf(inputs)), { force: true });
    },
  };
}

/** A file that somebody has spoilt is drift, which the next update mends. */
function parseOr(content: string): unknown {
  try {
    return JSON.parse(content);
  } catch {
    return { unreadable: content.slice(0, 200) };
  }
}

/** The types of the plugin `shadownetlab`. */
export const kinds: Record<string, ResourceKind> = {
  "shadownetlab:index:Network": networkKind,
  "shadownetlab:index:Subnet": subnetKind,
  "shadownetlab:index:Machine": machineKind,
  "shadownetlab:index:Gateway": gatewayKind,
  "shadownetlab:index:Mirror": mirrorKind,
  "shadownetlab:index:Experiment": definitionKind("An experiment on a shadow, as `shadownet run` finds it.", true),
  "shadownetlab:index:Monitor": definitionKind("What is watched in a shadow and who is told.", false),
};
