import type { Problem } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import { type FidelityItem, FidelityOutcome, type ScaleRule } from "../../network";
import { droppedItem } from "../../shadowScaling";
import type { Machine, MachineInterface, Topology } from "../../topology";
import type { AwsInstanceType } from "../../topologyAws";
import { openGroup } from "./filters";
import { firstBootItems, firstBootOf, firstBootScript } from "./firstBoot";
import { chooseImage, diskStateOf } from "./images";
import type { AwsNetworkSettings, PlannedImage, PlannedInterface, PlannedMachine } from "./planTypes";

/** Instances of a shadow, the images made for them, what differs, and what cannot be made. */
export interface PlannedMachines {
  machines: PlannedMachine[];
  images: PlannedImage[];
  fidelity: FidelityItem[];
  problems: Problem[];
}

/** Plans the instances of a shadow's topology; `production` is the topology that it was made from. */
export function planMachines(shadow: Topology, production: Topology, settings: AwsNetworkSettings): PlannedMachines {
  const planned = shadow.machines.map((machine) => planMachine(machine, production, settings));
  const images = new Map(
    planned.flatMap(({ image }) => (image === undefined ? [] : [[image.machine, image] as const])),
  );
  const problems = new Map(
    planned.flatMap((one) => one.problems).map((problem) => [problem.path + problem.reason, problem]),
  );
  return {
    machines: planned.map(({ machine }) => machine),
    images: [...images.values()],
    fidelity: planned.flatMap(({ fidelity }) => fidelity),
    problems: [...problems.values()],
  };
}

interface PlannedOne {
  machine: PlannedMachine;
  image?: PlannedImage;
  fidelity: FidelityItem[];
  problems: Problem[];
}

function planMachine(machine: Machine, production: Topology, settings: AwsNetworkSettings): PlannedOne {
  const aws = machine.aws!;
  const index = production.machines.findIndex((other) => other.aws?.id === aws.id);
  const original = production.machines[index]!;
  const path = `topology.machines[${index}]`;
  const { imageId, image, root, volumes, ...chosen } = chooseImage(
    machine,
    original.name,
    diskStateOf(original.name, settings.state ?? []),
    path,
  );
  const type = machine.size?.type ?? "";
  const boot = firstBootOf(original.name, settings.firstBoot ?? []);
  const userData = firstBootScript(boot);
  return {
    machine: {
      name: machine.name,
      type,
      ...(imageId === undefined ? {} : { imageId }),
      ...(image === undefined ? {} : { imageOf: image.machine }),
      ...(root === undefined ? {} : { root }),
      volumes,
      ...(userData === undefined ? {} : { userData }),
      interfaces: machine.interfaces.map((card, place) => planInterface(machine, card, place)),
      ...(aws.cpuCredits === undefined || !isBurstable(type) ? {} : { cpuCredits: aws.cpuCredits }),
      ...(aws.ebsOptimized === undefined ? {} : { ebsOptimized: aws.ebsOptimized }),
    },
    ...(image === undefined ? {} : { image }),
    fidelity: [...chosen.fidelity, ...differences(machine), ...firstBootItems(machine.name, boot)],
    problems: [
      ...chosen.problems,
      ...typeProblems(
        machine,
        original,
        typePath(original, path, settings.scale ?? []),
        production.aws?.instanceTypes ?? [],
      ),
    ],
  };
}

function isBurstable(type: string): boolean {
  return /^t\d/.test(type);
}

function planInterface(machine: Machine, card: MachineInterface, place: number): PlannedInterface {
  const groups = card.securityGroups ?? [];
  return {
    link: `${machine.name}/${card.name}`,
    subnet: card.subnet,
    addresses: card.addresses,
    securityGroups: groups.length === 0 ? [openGroup] : groups,
    deviceIndex: card.aws?.deviceIndex ?? place,
    sourceDestCheck: card.aws?.sourceDestCheck ?? machine.forwarding !== true,
  };
}

function differences({ name, aws, interfaces }: Machine): FidelityItem[] {
  const subject = `machines/${name}`;
  const keys = new Set((aws?.volumes ?? []).flatMap(({ kmsKeyId }) => (kmsKeyId === undefined ? [] : [kmsKeyId])));
  const profile = aws?.instanceProfile;
  const substituted = (what: string, reason: string): FidelityItem => ({
    subject: `${subject}/${what}`,
    outcome: FidelityOutcome.Substituted,
    reason,
  });
  return [
    ...(profile === undefined
      ? []
      : [
          substituted(
            "instanceProfile",
            `${profile} is not given to a clone; the shadow's own may reach SSM and metrics`,
          ),
        ]),
    ...[...keys].map((key) => substituted("kmsKey", `${key} is replaced by the shadow's own key`)),
    ...(aws?.hasUserData === true
      ? [droppedItem(`${subject}/userData`, "it may hold secrets and names of production, so it is never captured")]
      : []),
    ...interfaces.flatMap(({ name: card, aws: extras }) => [
      ...(extras?.publicAddress === undefined
        ? []
        : [droppedItem(`${subject}/${card}/publicAddress`, `${extras.publicAddress} is production's`)]),
      ...((extras?.prefixes ?? []).length === 0
        ? []
        : [droppedItem(`${subject}/${card}/prefixes`, "delegated prefixes are not given to a clone")]),
    ]),
  ];
}

/** Where a machine's type comes from: the last scale rule that gives it one, else the topology. */
function typePath({ name }: Machine, path: string, scale: readonly ScaleRule[]): string {
  const rule = scale.findLastIndex(({ machines, type }) => type !== undefined && matchesPattern(name, machines));
  return rule < 0 ? `${path}.size.type` : `scale[${rule}].type`;
}

function typeProblems(
  { size, interfaces, aws }: Machine,
  original: Machine,
  at: string,
  types: readonly AwsInstanceType[],
): Problem[] {
  const type = size?.type;
  if (type === undefined) {
    return [
      {
        path: at,
        reason: `no instance type is known of machine "${original.name}"; give one by \`scale: [{ machines: "${original.name}", type: "…" }]\``,
      },
    ];
  }
  const cure = `take another by \`scale: [{ machines: "${original.name}", type: "…" }]\``;
  if (type.startsWith("mac")) {
    return [
      {
        path: at,
        reason: `${type} of machine "${original.name}" runs on a dedicated host only, which a shadow does not order; ${cure}`,
      },
    ];
  }
  const known = types.find((one) => one.type === type);
  return [
    ...architectureProblems(at, type, known, aws?.architecture, original.name),
    ...(known?.maximumInterfaces !== undefined && interfaces.length > known.maximumInterfaces
      ? [
          {
            path: at,
            reason: `${type} has at most ${known.maximumInterfaces} interfaces, machine "${original.name}" has ${interfaces.length}; ${cure}`,
          },
        ]
      : []),
    ...interfaces.flatMap(({ name, addresses }) =>
      known?.addressesPerInterface !== undefined && addresses.length > known.addressesPerInterface
        ? [
            {
              path: at,
              reason: `${type} has at most ${known.addressesPerInterface} addresses an interface, ${original.name}/${name} has ${addresses.length}; ${cure}`,
            },
          ]
        : [],
    ),
  ];
}

function architectureProblems(
  path: string,
  type: string,
  known: AwsInstanceType | undefined,
  architecture: string | undefined,
  machine: string,
): Problem[] {
  if (known?.architecture === undefined || architecture === undefined || known.architecture === architecture) return [];
  return [
    {
      path,
      reason: `${type} is ${known.architecture}, the image of machine "${machine}" is ${architecture}; take a type of ${architecture}`,
    },
  ];
}
