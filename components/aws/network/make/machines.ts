import * as ebs from "@pulumi/aws/ebs";
import * as ec2 from "@pulumi/aws/ec2";
import * as iam from "@pulumi/aws/iam";
import type { Input, Output } from "@pulumi/pulumi";
import * as pulumi from "@pulumi/pulumi";

import { machinePolicy, machineTrust, shadowRolePath } from "../../iam/network";
import type { PlannedImage, PlannedMachine, PlannedVolume } from "../planTypes";
import { type Containment, type Foundation, makeRole } from "./containment";
import { type Site, child, made, physicalName, tagsOf } from "./site";

/** Instances keep their credentials to themselves: a session is needed, and a packet from elsewhere dies on the way. */
export const metadataOptions = { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 };

/** Makes the role of the clones: to be steered and to report, nothing of production's. */
export function makeMachineRole(site: Site, foundation: Foundation): iam.Role {
  const policy = site.place.apply((own) => JSON.stringify(machinePolicy(own)));
  return makeRole(site, "machines", foundation, JSON.stringify(machineTrust()), policy);
}

/** Makes the profile by which machines have their role. */
export function makeProfile(site: Site, role: iam.Role): iam.InstanceProfile {
  return new iam.InstanceProfile(
    `${site.name}-profile`,
    {
      name: physicalName(site, "machines", 100),
      path: shadowRolePath(site.shadowName),
      role: role.name,
      tags: tagsOf(site, "profile"),
    },
    child(site),
  );
}

/** Makes the machines' interfaces, by link, with production's addresses. */
export function makeInterfaces(
  site: Site,
  subnets: ReadonlyMap<string, ec2.Subnet>,
  groups: ReadonlyMap<string, ec2.SecurityGroup>,
): Map<string, ec2.NetworkInterface> {
  const cards = site.plan.machines.flatMap(({ name, interfaces }) => interfaces.map((card) => ({ name, card })));
  return new Map(
    cards.map(({ name, card: { link, subnet, addresses, securityGroups, sourceDestCheck } }) => [
      link,
      new ec2.NetworkInterface(
        `${site.name}-interface-${link}`,
        {
          subnetId: made(subnets, subnet).id,
          // Only the list keeps their order, and the first is the primary address.
          ...(addresses.length === 1
            ? { privateIps: addresses }
            : { privateIpListEnabled: true, privateIpLists: addresses }),
          securityGroups: securityGroups.map((group) => made(groups, group).id),
          sourceDestCheck,
          tags: tagsOf(site, link, "machine", name),
        },
        child(site),
      ),
    ]),
  );
}

/** Makes the images that do not exist yet, by the machine that they are of. */
export function makeImages(site: Site, snapshots: SnapshotIds): Map<string, Output<string>> {
  return new Map(site.plan.images.map((image) => [image.machine, makeImage(site, image, snapshots)]));
}

function makeImage(site: Site, image: PlannedImage, snapshots: SnapshotIds): Output<string> {
  const { machine, instanceId, snapshotId, rootDevice, architecture, bootMode, volume } = image;
  const name = physicalName(site, `image-${machine}-${snapshotId ?? instanceId ?? ""}`, 128);
  const tags = tagsOf(site, `image of ${machine}`, "machine", machine);
  if (instanceId !== undefined) {
    const sourceInstanceId = site.place.apply(({ accountId }) =>
      ofSameAccount(instanceId, accountId, site.productionAccount),
    );
    // Without this AWS would stop the production instance to take its picture.
    const args = { name, sourceInstanceId, snapshotWithoutReboot: true, tags };
    return new ec2.AmiFromInstance(`${site.name}-image-${machine}`, args, child(site)).id;
  }
  const device = {
    deviceName: rootDevice,
    snapshotId: registrable(site, snapshotId ?? "", snapshots),
    deleteOnTermination: true,
  };
  const args: ec2.AmiArgs = {
    name,
    architecture,
    virtualizationType: "hvm",
    enaSupport: true,
    imdsSupport: "v2.0",
    ...(bootMode === undefined ? {} : { bootMode }),
    rootDeviceName: rootDevice,
    ebsBlockDevices: [{ ...device, ...sizeOf(volume) }],
    tags,
  };
  return new ec2.Ami(`${site.name}-image-${machine}`, args, child(site)).id;
}

/** The snapshot that stands for one of production's: its copy, or itself. */
export type SnapshotIds = (snapshotId: string) => Input<string>;

/** Copies the snapshots that are to be the shadow's own. */
export function copySnapshots(site: Site, { key }: Foundation): SnapshotIds {
  const copies = new Map(
    site.plan.copies.map(({ snapshotId, key: which, machine }) => {
      const args = {
        sourceSnapshotId: snapshotId,
        sourceRegion: site.plan.region,
        encrypted: true,
        kmsKeyId: key.arn,
        tags: tagsOf(site, `snapshot of ${which}`, "machine", machine),
      };
      return [snapshotId, new ebs.SnapshotCopy(`${site.name}-snapshot-${which}`, args, child(site)).id];
    }),
  );
  return (snapshotId) => copies.get(snapshotId) ?? snapshotId;
}

/** AWS registers images from snapshots of the own account only. */
function registrable(site: Site, snapshotId: string, snapshots: SnapshotIds): Input<string> {
  const own = snapshots(snapshotId);
  if (own !== snapshotId) return own;
  return site.place.apply(({ accountId }) => ofOwnSnapshots(snapshotId, accountId, site.productionAccount));
}

/** The snapshot, where it is of the account that the shadow stands in. */
export function ofOwnSnapshots(snapshotId: string, accountId: string, productionAccount: string | undefined): string {
  if (productionAccount === undefined || productionAccount === accountId) return snapshotId;
  throw new pulumi.InputPropertyError({
    propertyPath: "copySnapshots",
    reason:
      `AWS registers images from snapshots of the own account only, and ${snapshotId} is of production's ${productionAccount}, ` +
      `while the shadow stands in ${accountId}; set \`copySnapshots: true\`, and share what ` +
      `\`shadownet share aws --with ${accountId}\` names`,
  });
}

/** An image of a running instance can be taken in its own account only. */
export function ofSameAccount(instanceId: string, accountId: string, productionAccount: string | undefined): string {
  if (productionAccount === undefined || productionAccount === accountId) return instanceId;
  throw new pulumi.InputPropertyError({
    propertyPath: "state",
    reason: `an image can be taken now only where the shadow stands in production's account ${productionAccount}, and it stands in ${accountId}; leave \`disk: "snapshot"\` out`,
  });
}

/** Size and speed of a disk, in the provider's words. */
export interface VolumeSize {
  volumeSize?: number;
  volumeType?: string;
  iops?: number;
  throughput?: number;
}

/** Size and speed of a planned disk. */
export function sizeOf({ sizeGigabytes, type, iops, throughputMegabytes }: PlannedVolume): VolumeSize {
  return {
    ...(sizeGigabytes === undefined ? {} : { volumeSize: sizeGigabytes }),
    ...(type === undefined ? {} : { volumeType: type }),
    ...(iops === undefined ? {} : { iops }),
    ...(throughputMegabytes === undefined ? {} : { throughput: throughputMegabytes }),
  };
}

/** The image of a machine: one that exists, or one that was made. */
export function imageOf(
  { imageId, imageOf: of }: PlannedMachine,
  images: ReadonlyMap<string, Output<string>>,
): Input<string> {
  return of === undefined ? (imageId ?? "") : made(images, of);
}

/** What instances are made of beside their own interfaces. */
export interface MachineParts {
  images: ReadonlyMap<string, Output<string>>;
  snapshots: SnapshotIds;
  interfaces: ReadonlyMap<string, ec2.NetworkInterface>;
  profile: iam.InstanceProfile;
  foundation: Foundation;
  containment: Containment;
}

/** Makes the instances, by name; they start when what watches and closes the shadow is there. */
export function makeInstances(site: Site, parts: MachineParts): Map<string, ec2.Instance> {
  return new Map(site.plan.machines.map((machine) => [machine.name, makeInstance(site, machine, parts)]));
}

function makeInstance(site: Site, machine: PlannedMachine, parts: MachineParts): ec2.Instance {
  const { images, snapshots, interfaces, profile, foundation, containment } = parts;
  const encryption = { encrypted: true, kmsKeyId: foundation.key.arn, deleteOnTermination: true };
  const tags = tagsOf(site, machine.name, "machine", machine.name);
  const [primary, ...others] = [...machine.interfaces].sort((a, b) => a.deviceIndex - b.deviceIndex);
  const instance = new ec2.Instance(
    `${site.name}-machine-${machine.name}`,
    {
      ami: imageOf(machine, images),
      instanceType: machine.type,
      primaryNetworkInterface: { networkInterfaceId: made(interfaces, primary!.link).id },
      iamInstanceProfile: profile.name,
      metadataOptions,
      // FIS's shortest fault is a minute, and without this CloudWatch would see five.
      monitoring: true,
      rootBlockDevice: { ...encryption, ...(machine.root === undefined ? {} : sizeOf(machine.root)) },
      ebsBlockDevices: machine.volumes.map((volume) => ({
        deviceName: volume.device,
        ...encryption,
        ...sizeOf(volume),
        ...(volume.snapshotId === undefined ? {} : { snapshotId: snapshots(volume.snapshotId) }),
      })),
      ...(machine.cpuCredits === undefined ? {} : { creditSpecification: { cpuCredits: machine.cpuCredits } }),
      ...(machine.ebsOptimized === undefined ? {} : { ebsOptimized: machine.ebsOptimized }),
      ...(machine.userData === undefined ? {} : { userData: machine.userData }),
      tags,
      volumeTags: tags,
    },
    child(site, containment.parts),
  );
  for (const { link, deviceIndex } of others) {
    new ec2.NetworkInterfaceAttachment(
      `${site.name}-interface-use-${link}`,
      { instanceId: instance.id, networkInterfaceId: made(interfaces, link).id, deviceIndex },
      child(site),
    );
  }
  return instance;
}

/** Ids of the volumes that Pulumi knows, by `machine/device`. */
export function volumeIdsOf(site: Site, instances: ReadonlyMap<string, ec2.Instance>): Record<string, Output<string>> {
  const ids = site.plan.machines.flatMap(({ name, root, volumes }): [string, Output<string>][] => {
    const { rootBlockDevice, ebsBlockDevices } = made(instances, name);
    return [
      ...(root === undefined
        ? []
        : [[`${name}/${root.device}`, rootBlockDevice.apply(({ volumeId }) => volumeId)] satisfies [string, unknown]]),
      ...volumes.map(({ device }): [string, Output<string>] => [
        `${name}/${device}`,
        ebsBlockDevices.apply((all) => all.find(({ deviceName }) => deviceName === device)?.volumeId ?? ""),
      ]),
    ];
  });
  return Object.fromEntries(ids);
}
