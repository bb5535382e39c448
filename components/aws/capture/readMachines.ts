import { type AutoScalingGroup, paginateDescribeAutoScalingGroups } from "@aws-sdk/client-auto-scaling";
import {
  type Instance,
  type Snapshot,
  paginateDescribeImages,
  paginateDescribeInstanceCreditSpecifications,
  paginateDescribeInstanceTypes,
  paginateDescribeInstances,
  paginateDescribeSnapshots,
  paginateDescribeVolumes,
} from "@aws-sdk/client-ec2";

import type { AwsClients } from "./clients";
import { leanImage, leanInstance, leanVolume } from "./lean";
import type { Reader } from "./reader";
import type { AwsReading, ReadSettings } from "./reading";

/** Ids in one filter; AWS takes at most 200 values. */
const batchSize = 200;

/** Instances in one page of an answer: they are large, and a few pages are in memory at a time. */
const instancesInPage = 100;

/** The parts of a reading that describe machines. */
export type MachineReading = Pick<
  AwsReading,
  "instances" | "volumes" | "snapshots" | "images" | "ownImages" | "instanceTypes" | "credits" | "scalingGroups"
>;

/** Reads the instances of a VPC and what belongs to them: first all instances, then the rest in batches of their ids. */
export async function readMachines(
  clients: AwsClients,
  reader: Reader,
  { vpcId, includeTags, onProgress }: ReadSettings,
): Promise<MachineReading> {
  const instances = await readInstances(clients, reader, vpcId, includeTags);
  onProgress(`${instances.length} instances; reading their volumes, images, snapshots and types`);
  const ids = instances.map(({ InstanceId }) => InstanceId!);
  const volumeIds = instances.flatMap(({ BlockDeviceMappings = [] }) =>
    BlockDeviceMappings.flatMap(({ Ebs }) => (Ebs?.VolumeId === undefined ? [] : [Ebs.VolumeId])),
  );
  const imageIds = instances.flatMap(({ ImageId }) => (ImageId === undefined ? [] : [ImageId]));
  const types = instances.flatMap(({ InstanceType }) => (InstanceType === undefined ? [] : [InstanceType]));
  const { ec2 } = clients;
  const config = { client: ec2, pageSize: batchSize };
  const stop = { abortSignal: reader.signal };
  const by = (Name: string, Values: string[]) => ({ Filters: [{ Name, Values }] });
  const [volumes, snapshots, images, ownImages, instanceTypes, credits, scalingGroups] = await Promise.all([
    reader.batches(
      "volumes",
      volumeIds,
      batchSize,
      (batch) => paginateDescribeVolumes(config, by("volume-id", batch), stop),
      (page) => page.Volumes?.map(leanVolume),
    ),
    readSnapshots(clients, reader, volumeIds),
    reader.batches(
      "images",
      imageIds,
      batchSize,
      (batch) => paginateDescribeImages(config, by("image-id", batch), stop),
      (page) => page.Images?.map(leanImage),
    ),
    reader.batches(
      "images made of the instances",
      ids,
      batchSize,
      (batch) => paginateDescribeImages(config, { ...by("source-instance-id", batch), Owners: ["self"] }, stop),
      (page) => page.Images?.map(leanImage),
    ),
    reader.batches(
      "instance types",
      types,
      100,
      (batch) => paginateDescribeInstanceTypes({ client: ec2 }, by("instance-type", batch), stop),
      (page) => page.InstanceTypes,
    ),
    readCredits(clients, reader, instances),
    readScalingGroups(clients, reader, ids),
  ]);
  return { instances, volumes, snapshots, images, ownImages, instanceTypes, credits, scalingGroups };
}

async function readInstances(
  { ec2 }: AwsClients,
  reader: Reader,
  vpcId: string,
  keepsTags: boolean,
): Promise<Instance[]> {
  const Filters = [
    { Name: "vpc-id", Values: [vpcId] },
    { Name: "instance-state-name", Values: ["pending", "running", "stopping", "stopped"] },
  ];
  const pages = () =>
    paginateDescribeInstances({ client: ec2, pageSize: instancesInPage }, { Filters }, { abortSignal: reader.signal });
  return reader.all("instances", pages, (page) =>
    page.Reservations?.flatMap(({ Instances = [] }) => Instances.map((instance) => leanInstance(instance, keepsTags))),
  );
}

async function readSnapshots({ ec2 }: AwsClients, reader: Reader, volumeIds: string[]): Promise<Map<string, Snapshot>> {
  const newest = new Map<string, Snapshot>();
  const keep = ({ SnapshotId, VolumeId = "", StartTime }: Snapshot): void => {
    const known = newest.get(VolumeId);
    if (known?.StartTime !== undefined && known.StartTime >= (StartTime ?? new Date(0))) return;
    newest.set(VolumeId, { SnapshotId, VolumeId, StartTime });
  };
  await reader.batches(
    "snapshots",
    volumeIds,
    batchSize,
    (batch) => {
      const Filters = [
        { Name: "volume-id", Values: batch },
        { Name: "status", Values: ["completed"] },
      ];
      const input = { Filters, OwnerIds: ["self"] };
      return paginateDescribeSnapshots({ client: ec2, pageSize: 500 }, input, { abortSignal: reader.signal });
    },
    (page) => {
      page.Snapshots?.forEach(keep);
      return [];
    },
  );
  return newest;
}

/** Only burstable types have credits; the call refuses others. */
async function readCredits({ ec2 }: AwsClients, reader: Reader, instances: Instance[]): Promise<Map<string, string>> {
  const burstable = instances.filter(({ InstanceType }) => /^t\d/.test(InstanceType ?? ""));
  const specifications = await reader.batches(
    "credit settings of burstable instances",
    burstable.map(({ InstanceId }) => InstanceId!),
    batchSize,
    (InstanceIds) =>
      paginateDescribeInstanceCreditSpecifications({ client: ec2 }, { InstanceIds }, { abortSignal: reader.signal }),
    (page) => page.InstanceCreditSpecifications,
  );
  return new Map(
    specifications.flatMap(({ InstanceId, CpuCredits }) =>
      InstanceId === undefined || CpuCredits === undefined ? [] : [[InstanceId, CpuCredits]],
    ),
  );
}

/** The groups that hold instances of the VPC; the call knows no filter by VPC. */
async function readScalingGroups({ scaling }: AwsClients, reader: Reader, ids: string[]): Promise<AutoScalingGroup[]> {
  if (ids.length === 0) return [];
  const own = new Set(ids);
  const pages = () =>
    paginateDescribeAutoScalingGroups({ client: scaling, pageSize: 100 }, {}, { abortSignal: reader.signal });
  return reader.all("Auto Scaling groups", pages, (page) =>
    page.AutoScalingGroups?.filter(({ Instances }) => Instances?.some(({ InstanceId }) => own.has(InstanceId ?? ""))),
  );
}
