import type { Image, Instance, InstanceBlockDeviceMapping, InstanceNetworkInterface } from "@aws-sdk/client-ec2";

import { cidrContains, parseAddress } from "../../internal/cidr";
import type { Machine, MachineInterface, TopologySubnet } from "../../topology";
import type { AwsMachineExtras, AwsVolume } from "../../topologyAws";
import { filled } from "./boundaries";
import { definedOnly } from "./databases";
import { tagValue } from "./names";
import type { AwsReading } from "./reading";
import { present } from "./rules";

/** What machines refer to. */
export interface MachineNames {
  machines: ReadonlyMap<string, string>;
  groups: ReadonlyMap<string, string>;
  /** Captured subnets by id. */
  subnets: ReadonlyMap<string, TopologySubnet>;
}

/** The instances that become machines, and a sentence for each that does not. */
export function chooseInstances(
  reading: AwsReading,
  subnets: ReadonlyMap<string, TopologySubnet>,
): { chosen: Instance[]; left: string[] } {
  const left: string[] = [];
  const chosen = reading.instances.filter((instance) => {
    const { InstanceId = "", State, NetworkInterfaces = [] } = instance;
    if (State?.Name === "stopped" || State?.Name === "stopping") {
      left.push(`instance ${InstanceId} is ${State.Name} and is left out`);
      return false;
    }
    const isPlaced = NetworkInterfaces.some((card) => addressesIn(card, subnets).length > 0);
    if (!isPlaced) left.push(`instance ${InstanceId} has no interface in a captured subnet and is left out`);
    return isPlaced;
  });
  return { chosen, left };
}

/** The instances as machines; `notes` takes a sentence for each part that is left out. */
export function mapMachines(
  reading: AwsReading,
  chosen: readonly Instance[],
  names: MachineNames,
  notes: string[],
): Machine[] {
  const volumes = new Map(reading.volumes.map((volume) => [volume.VolumeId, volume]));
  const types = new Map(reading.instanceTypes.map((type) => [type.InstanceType, type]));
  const images = new Map(reading.images.map((image) => [image.ImageId, image]));
  return chosen.map((instance) => {
    const { InstanceId = "", InstanceType, CpuOptions, ImageId, Tags, RootDeviceName } = instance;
    const cards = mapCards(instance, names, notes);
    const type = types.get(InstanceType);
    const chosenCpus = (CpuOptions?.CoreCount ?? 0) * (CpuOptions?.ThreadsPerCore ?? 0);
    const cpus = chosenCpus || type?.VCpuInfo?.DefaultVCpus;
    const attached = (instance.BlockDeviceMappings ?? []).flatMap((mapping) => mapVolume(mapping, volumes, reading));
    const disks = attached
      .filter(({ device }) => device !== RootDeviceName)
      .map(({ device, sizeGigabytes, snapshotId }) => ({
        name: device,
        sizeGigabytes,
        ...definedOnly({ snapshot: snapshotId }),
      }));
    const size = definedOnly({
      type: InstanceType,
      cpus,
      memoryMegabytes: type?.MemoryInfo?.SizeInMiB,
    });
    const isRouter = (instance.NetworkInterfaces ?? []).some(({ SourceDestCheck }) => SourceDestCheck === false);
    return {
      name: names.machines.get(InstanceId)!,
      ...definedOnly({ role: tagValue(Tags, "Role") ?? tagValue(Tags, "role"), size, image: ImageId }),
      ...filled({ disks }),
      interfaces: cards,
      ...(isRouter ? { forwarding: true } : {}),
      sourceId: InstanceId,
      aws: extras(instance, reading, attached, images.get(ImageId)),
    };
  });
}

function addressesIn(card: InstanceNetworkInterface, subnets: ReadonlyMap<string, TopologySubnet>): string[] {
  const subnet = subnets.get(card.SubnetId ?? "");
  if (subnet === undefined) return [];
  const given = [
    ...(card.PrivateIpAddresses ?? [{ PrivateIpAddress: card.PrivateIpAddress }]).map(
      ({ PrivateIpAddress }) => PrivateIpAddress,
    ),
    ...(card.Ipv6Addresses ?? []).map(({ Ipv6Address }) => Ipv6Address),
  ];
  const ranges = present([subnet.cidr, subnet.ipv6Cidr]);
  return present(given).filter(
    (address) => parseAddress(address) !== undefined && ranges.some((range) => cidrContains(range, address)),
  );
}

/** Interfaces in the order in which the instance sees them, called by their position on it. */
function mapCards(instance: Instance, { subnets, groups }: MachineNames, notes: string[]): MachineInterface[] {
  const order = ({ Attachment }: InstanceNetworkInterface): number =>
    (Attachment?.NetworkCardIndex ?? 0) * 1000 + (Attachment?.DeviceIndex ?? 0);
  const sorted = [...(instance.NetworkInterfaces ?? [])].sort((a, b) => order(a) - order(b));
  const taken = new Set<number>();
  return sorted.flatMap((card) => {
    const addresses = addressesIn(card, subnets);
    if (addresses.length === 0) {
      notes.push(
        `interface ${card.NetworkInterfaceId ?? ""} of instance ${instance.InstanceId ?? ""} lies in no captured subnet and is left out`,
      );
      return [];
    }
    let position = card.Attachment?.DeviceIndex ?? taken.size;
    while (taken.has(position)) position++;
    taken.add(position);
    const securityGroups = present((card.Groups ?? []).map(({ GroupId = "" }) => groups.get(GroupId)));
    const prefixes = present([
      ...(card.Ipv4Prefixes ?? []).map(({ Ipv4Prefix }) => Ipv4Prefix),
      ...(card.Ipv6Prefixes ?? []).map(({ Ipv6Prefix }) => Ipv6Prefix),
    ]);
    return {
      name: `eth${position}`,
      subnet: subnets.get(card.SubnetId!)!.name,
      addresses,
      ...definedOnly({ mac: card.MacAddress?.toLowerCase() }),
      ...filled({ securityGroups }),
      aws: {
        id: card.NetworkInterfaceId!,
        ...definedOnly({
          deviceIndex: card.Attachment?.DeviceIndex,
          sourceDestCheck: card.SourceDestCheck,
          publicAddress: card.Association?.PublicIp,
        }),
        ...filled({ prefixes }),
      },
    };
  });
}

function mapVolume(
  { DeviceName, Ebs }: InstanceBlockDeviceMapping,
  volumes: ReadonlyMap<string | undefined, AwsReading["volumes"][number]>,
  { snapshots }: AwsReading,
): AwsVolume[] {
  const volume = volumes.get(Ebs?.VolumeId);
  if (volume?.VolumeId === undefined || volume.Size === undefined || DeviceName === undefined) return [];
  const snapshot = snapshots.get(volume.VolumeId);
  return [
    {
      id: volume.VolumeId,
      device: DeviceName,
      sizeGigabytes: volume.Size,
      ...definedOnly({
        type: volume.VolumeType,
        iops: volume.Iops,
        throughputMegabytes: volume.Throughput,
        encrypted: volume.Encrypted,
        kmsKeyId: volume.KmsKeyId || undefined,
        deleteOnTermination: Ebs?.DeleteOnTermination,
        snapshotId: snapshot?.SnapshotId,
        snapshotAt: snapshot?.StartTime?.toISOString(),
      }),
    },
  ];
}

function extras(
  instance: Instance,
  reading: AwsReading,
  volumes: AwsVolume[],
  image: Image | undefined,
): AwsMachineExtras {
  const { InstanceId = "", Architecture, Platform, ImageId, RootDeviceName, IamInstanceProfile, Tags = [] } = instance;
  const own = reading.ownImages.filter(
    ({ SourceInstanceId, State }) => SourceInstanceId === InstanceId && State === "available",
  );
  const newest = own.sort((a, b) => (b.CreationDate ?? "").localeCompare(a.CreationDate ?? ""))[0];
  const tags = Tags.flatMap(({ Key = "", Value = "" }) => (Key.startsWith("aws:") ? [] : [[Key, Value]]));
  return {
    id: InstanceId,
    ...definedOnly({
      architecture: Architecture,
      imageId: ImageId,
      newestImageId: newest?.ImageId,
      rootDevice: RootDeviceName,
      instanceProfile: IamInstanceProfile?.Arn,
      cpuCredits: reading.credits.get(InstanceId),
      ebsOptimized: instance.EbsOptimized,
      bootMode: instance.BootMode ?? instance.CurrentInstanceBootMode,
      managedBy: managedBy(instance),
    }),
    platform: Platform?.toLowerCase() === "windows" ? "windows" : "linux",
    ...(ImageId === undefined ? {} : { imageAvailable: image?.State === "available" }),
    ...definedOnly({ imageOwner: image?.OwnerId }),
    ...filled({ volumes }),
    ...(reading.includeTags && tags.length > 0 ? { tags: Object.fromEntries(tags) as Record<string, string> } : {}),
  };
}

/** Whether containers on an instance are managed from outside, as its tags or its profile say. */
function managedBy({ Tags = [], IamInstanceProfile }: Instance): "eks" | "ecs" | undefined {
  const keys = Tags.map(({ Key = "" }) => Key);
  const isNode = keys.some((key) => /^(aws:)?eks:(cluster-name|nodegroup-name)$|^kubernetes\.io\/cluster\//.test(key));
  if (isNode) return "eks";
  const isContainerHost = keys.some((key) => key === "AmazonECSManaged" || key.startsWith("aws:ecs:"));
  return isContainerHost || /ecsInstance(Role|Profile)/i.test(IamInstanceProfile?.Arn ?? "") ? "ecs" : undefined;
}
