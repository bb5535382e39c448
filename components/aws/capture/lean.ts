import type { Image, Instance, NetworkInterface, Volume } from "@aws-sdk/client-ec2";

/** What is kept of an image; a list of them is long, and most of it is not looked at. */
export function leanImage({ ImageId, State, OwnerId, CreationDate, SourceInstanceId }: Image): Image {
  return { ImageId, State, OwnerId, CreationDate, SourceInstanceId };
}

/** What is kept of a volume. */
export function leanVolume(volume: Volume): Volume {
  const { VolumeId, Size, VolumeType, Iops, Throughput, Encrypted, KmsKeyId } = volume;
  return { VolumeId, Size, VolumeType, Iops, Throughput, Encrypted, KmsKeyId };
}

/** What is kept of an interface: of a machine's only its id, because the instance tells the rest too. */
export function leanInterface(card: NetworkInterface): NetworkInterface {
  const { NetworkInterfaceId, Attachment } = card;
  if (Attachment?.InstanceId !== undefined) {
    return { NetworkInterfaceId, Attachment: { InstanceId: Attachment.InstanceId } };
  }
  const { Description, InterfaceType, RequesterManaged, RequesterId, SubnetId, Groups } = card;
  const { PrivateIpAddress, Ipv6Addresses } = card;
  const place = { SubnetId, Groups, PrivateIpAddress, Ipv6Addresses };
  return { NetworkInterfaceId, Description, InterfaceType, RequesterManaged, RequesterId, ...place };
}

/** Tags by which machines are named, grouped and recognised. */
const ownTags = /^(Name|[Rr]ole|AmazonECSManaged|(aws:)?eks:.*|aws:ecs:.*|kubernetes\.io\/cluster\/.*)$/;

/** What is kept of an instance, with all its tags or only those that say what it is. */
export function leanInstance(instance: Instance, keepsTags: boolean): Instance {
  const { InstanceId, InstanceType, ImageId, State, Architecture, Platform, RootDeviceName } = instance;
  const { CpuOptions, EbsOptimized, BootMode, CurrentInstanceBootMode, IamInstanceProfile } = instance;
  const { BlockDeviceMappings, NetworkInterfaces, Tags = [] } = instance;
  return {
    ...{ InstanceId, InstanceType, ImageId, State, Architecture, Platform, RootDeviceName },
    ...{ CpuOptions, EbsOptimized, BootMode, CurrentInstanceBootMode, IamInstanceProfile },
    ...{ BlockDeviceMappings, NetworkInterfaces },
    Tags: keepsTags ? Tags : Tags.filter(({ Key = "" }) => ownTags.test(Key)),
  };
}
