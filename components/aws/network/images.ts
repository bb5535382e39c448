import type { Problem } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import { DiskState, type FidelityItem, FidelityOutcome, type StateRule } from "../../network";
import { droppedItem } from "../../shadowScaling";
import type { Machine } from "../../topology";
import type { AwsMachineExtras, AwsVolume } from "../../topologyAws";
import type { PlannedImage, PlannedVolume } from "./planTypes";

/** What a machine starts from. */
export interface ImageChoice {
  /** An image that exists. */
  imageId?: string;
  /** An image to be made. */
  image?: PlannedImage;
  root?: PlannedVolume;
  /** Data volumes. */
  volumes: PlannedVolume[];
  fidelity: FidelityItem[];
  problems: Problem[];
}

/** The state that a machine's disks are to have: the last rule that matches it decides. */
export function diskStateOf(machine: string, rules: readonly StateRule[]): DiskState {
  return rules.findLast(({ machines }) => matchesPattern(machine, machines))?.disk ?? DiskState.Latest;
}

/**
 * Chooses a machine's image: the newest one made of it, else its launch image with the root volume as in its newest
 * snapshot, else the launch image alone. `original` is the machine that a copy by scaling is of, `path` is the place of
 * that one in the topology.
 */
export function chooseImage(machine: Machine, original: string, state: DiskState, path: string): ImageChoice {
  const aws = machine.aws!;
  const place = { subject: `machines/${machine.name}/disks`, original, path };
  if (state === DiskState.None) return launchImage(aws, place, "its disks start as its image by a state rule", false);
  if (state === DiskState.Snapshot) return takenNow(aws, place);
  if (aws.newestImageId !== undefined) {
    const reason = `from the newest image of the machine, ${aws.newestImageId}`;
    return {
      ...ofImage(aws),
      imageId: aws.newestImageId,
      fidelity: [clonedDisks(place.subject, reason)],
      problems: [],
    };
  }
  if (rootOf(aws)?.snapshotId !== undefined) return registered(aws, place);
  return launchImage(aws, place, "there is neither an image nor a snapshot of it: it starts as its image", true);
}

interface Place {
  subject: string;
  original: string;
  path: string;
}

function clonedDisks(subject: string, reason: string): FidelityItem {
  return { subject, outcome: FidelityOutcome.Cloned, reason: `${reason}; encrypted with the shadow's key` };
}

function rootOf(aws: AwsMachineExtras): AwsVolume | undefined {
  return aws.volumes?.find(({ device }) => device === aws.rootDevice);
}

function dataOf(aws: AwsMachineExtras): AwsVolume[] {
  return (aws.volumes ?? []).filter(({ device }) => device !== aws.rootDevice);
}

/** Only some types of volume take a number of operations or a throughput. */
function planVolume(volume: AwsVolume, snapshotId?: string): PlannedVolume {
  const { device, sizeGigabytes, type, iops, throughputMegabytes } = volume;
  const takesIops = type === "gp3" || type === "io1" || type === "io2";
  return {
    device,
    sizeGigabytes,
    ...(type === undefined ? {} : { type }),
    ...(takesIops && iops !== undefined ? { iops } : {}),
    ...(type === "gp3" && throughputMegabytes !== undefined ? { throughputMegabytes } : {}),
    ...(snapshotId === undefined ? {} : { snapshotId }),
  };
}

/** The volumes of a machine whose image brings their content. */
function ofImage(aws: AwsMachineExtras): Pick<ImageChoice, "root" | "volumes"> {
  const root = rootOf(aws);
  return {
    ...(root === undefined ? {} : { root: planVolume(root) }),
    volumes: dataOf(aws).map((volume) => planVolume(volume)),
  };
}

function imageOf(aws: AwsMachineExtras, machine: string): PlannedImage {
  const root = rootOf(aws);
  const rootDevice = aws.rootDevice ?? "/dev/xvda";
  return {
    machine,
    rootDevice,
    architecture: aws.architecture ?? "x86_64",
    ...(aws.bootMode === undefined ? {} : { bootMode: aws.bootMode }),
    volume: root === undefined ? { device: rootDevice } : planVolume(root),
  };
}

function takenNow(aws: AwsMachineExtras, { subject, original }: Place): ImageChoice {
  const reason = "from an image taken when the shadow is made, without a reboot: as after a power cut";
  return {
    ...ofImage(aws),
    image: { ...imageOf(aws, original), instanceId: aws.id },
    fidelity: [clonedDisks(subject, reason)],
    problems: [],
  };
}

function registered(aws: AwsMachineExtras, { subject, original, path }: Place): ImageChoice {
  const { snapshotId = "", snapshotAt } = rootOf(aws)!;
  const data = dataOf(aws);
  const problems: Problem[] =
    aws.platform === "windows"
      ? [
          {
            path: `${path}.aws.newestImageId`,
            reason: `machine "${original}" runs Windows, which AWS starts from no bare snapshot; make an image of it and capture again, or ask for \`state: [{ machines: "${original}", disk: "snapshot" }]\``,
          },
        ]
      : [];
  const empty = data.filter((volume) => volume.snapshotId === undefined);
  return {
    image: { ...imageOf(aws, original), snapshotId },
    root: planVolume(rootOf(aws)!),
    volumes: data.map((volume) => planVolume(volume, volume.snapshotId)),
    fidelity: [
      clonedDisks(
        subject,
        `from the newest snapshot, ${snapshotId}${snapshotAt === undefined ? "" : ` of ${snapshotAt}`}`,
      ),
      ...empty.map(({ device }) => droppedItem(`${subject}/${device}`, "no snapshot of the volume: it starts empty")),
    ],
    problems,
  };
}

/** The launch image; data volumes come from their snapshots where the newest state was asked for. */
function launchImage(
  aws: AwsMachineExtras,
  { subject, original, path }: Place,
  why: string,
  keep: boolean,
): ImageChoice {
  const root = rootOf(aws);
  const data = keep ? dataOf(aws) : [];
  const isGone = aws.imageId === undefined || aws.imageAvailable === false;
  return {
    ...(aws.imageId === undefined ? {} : { imageId: aws.imageId }),
    ...(root === undefined ? {} : { root: planVolume(root) }),
    volumes: data.map((volume) => planVolume(volume, volume.snapshotId)),
    fidelity: [{ subject, outcome: FidelityOutcome.Substituted, reason: why }],
    problems: isGone ? [{ path: `${path}.aws.imageId`, reason: goneReason(aws, original) }] : [],
  };
}

function goneReason({ imageId }: AwsMachineExtras, machine: string): string {
  const image = imageId === undefined ? "the launch image is not known" : `the image ${imageId} is gone`;
  return `${image}, and there is nothing newer to start machine "${machine}" from; ask for \`state: [{ machines: "${machine}", disk: "snapshot" }]\`, or back it up and capture again`;
}
