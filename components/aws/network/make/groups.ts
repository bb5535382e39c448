import * as autoscaling from "@pulumi/aws/autoscaling";
import * as ec2 from "@pulumi/aws/ec2";
import * as lb from "@pulumi/aws/lb";
import type * as pulumi from "@pulumi/pulumi";

import type { PlannedGroup, PlannedVolume } from "../planTypes";
import { type MachineParts, type VolumeSize, imageOf, metadataOptions, sizeOf } from "./machines";
import { type Site, child, made, tagsOf } from "./site";

/** What the groups' instances are connected with. */
export interface GroupParts extends MachineParts {
  subnets: ReadonlyMap<string, ec2.Subnet>;
  groups: ReadonlyMap<string, ec2.SecurityGroup>;
  targetGroups: ReadonlyMap<string, lb.TargetGroup>;
}

/** Makes the Auto Scaling groups that were asked for, after the interfaces whose addresses they must not take. */
export function makeScalingGroups(site: Site, parts: GroupParts): Map<string, autoscaling.Group> {
  return new Map(site.plan.groups.map((group) => [group.name, makeScalingGroup(site, group, parts)]));
}

function makeScalingGroup(site: Site, group: PlannedGroup, parts: GroupParts): autoscaling.Group {
  const { name, template: machine, subnets, minimum, maximum, desired, targetGroups } = group;
  const tags = tagsOf(site, name, "machine", name);
  const [card] = machine.interfaces;
  const template = new ec2.LaunchTemplate(
    `${site.name}-template-${name}`,
    {
      imageId: imageOf(machine, parts.images),
      instanceType: machine.type,
      iamInstanceProfile: { arn: parts.profile.arn },
      metadataOptions,
      monitoring: { enabled: true },
      vpcSecurityGroupIds: card!.securityGroups.map((own) => made(parts.groups, own).id),
      blockDeviceMappings: [...(machine.root === undefined ? [] : [machine.root]), ...machine.volumes].map((volume) =>
        mappingOf(volume, parts),
      ),
      tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
      updateDefaultVersion: true,
      ...(machine.userData === undefined ? {} : { userData: Buffer.from(machine.userData).toString("base64") }),
      tags,
    },
    child(site),
  );
  return new autoscaling.Group(
    `${site.name}-scaling-${name}`,
    {
      minSize: minimum,
      maxSize: maximum,
      desiredCapacity: desired,
      vpcZoneIdentifiers: subnets.map((subnet) => made(parts.subnets, subnet).id),
      launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
      targetGroupArns: targetGroups.map((key) => made(parts.targetGroups, key).arn),
      healthCheckType: "EC2",
      tags: Object.entries(tags).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
    },
    child(site, [...parts.containment.parts, ...parts.interfaces.values()]),
  );
}

/** A disk in a launch template, which has texts where instances have flags. */
interface TemplateDisk {
  deviceName: string;
  ebs: VolumeSize & {
    encrypted: string;
    kmsKeyId: pulumi.Output<string>;
    deleteOnTermination: string;
    snapshotId?: pulumi.Input<string>;
  };
}

function mappingOf(volume: PlannedVolume, { foundation, snapshots }: MachineParts): TemplateDisk {
  const { device, snapshotId } = volume;
  return {
    deviceName: device,
    ebs: {
      encrypted: "true",
      kmsKeyId: foundation.key.arn,
      deleteOnTermination: "true",
      ...sizeOf(volume),
      ...(snapshotId === undefined ? {} : { snapshotId: snapshots(snapshotId) }),
    },
  };
}
