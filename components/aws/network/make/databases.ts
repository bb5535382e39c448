import * as ec2 from "@pulumi/aws/ec2";
import * as rds from "@pulumi/aws/rds";
import * as pulumi from "@pulumi/pulumi";

import type { ShadowPlace } from "../../iam/network";
import type { PlannedDatabase } from "../planTypes";
import type { Foundation } from "./containment";
import { type Site, child, made, physicalName, tagsOf } from "./site";

/** What databases are made of. */
export interface DatabaseParts {
  vpc: ec2.Vpc;
  subnets: ReadonlyMap<string, ec2.Subnet>;
  groups: ReadonlyMap<string, ec2.SecurityGroup>;
  interfaces: ReadonlyMap<string, ec2.NetworkInterface>;
  foundation: Foundation;
}

/** Restores the databases that were asked for; gives back their addresses by name. */
export function makeDatabases(site: Site, parts: DatabaseParts): Map<string, pulumi.Output<string>> {
  return new Map(site.plan.databases.map((database) => [database.name, makeDatabase(site, database, parts)]));
}

function makeDatabase(site: Site, planned: PlannedDatabase, parts: DatabaseParts): pulumi.Output<string> {
  const { name } = planned;
  const subnetGroup = new rds.SubnetGroup(
    `${site.name}-database-subnets-${name}`,
    {
      name: physicalName(site, `database-subnets-${name}`, 255),
      subnetIds: planned.subnets.map((subnet) => made(parts.subnets, subnet).id),
      tags: tagsOf(site, `subnets of ${name}`),
    },
    child(site),
  );
  const marker = new ec2.SecurityGroup(
    `${site.name}-database-marker-${name}`,
    {
      vpcId: parts.vpc.id,
      description: `Has no rules: only the interface of ${name} is in it, by which its address is found`,
      tags: tagsOf(site, `marker of ${name}`),
    },
    child(site),
  );
  const common: Common = {
    dbSubnetGroupName: subnetGroup.name,
    vpcSecurityGroupIds: [...planned.securityGroups.map((group) => made(parts.groups, group).id), marker.id],
    skipFinalSnapshot: true,
    deletionProtection: false,
    applyImmediately: true,
    ...(planned.port === undefined ? {} : { port: planned.port }),
    tags: tagsOf(site, name),
  };
  const restored = planned.isCluster
    ? restoreCluster(site, planned, common, parts)
    : restoreInstance(site, planned, common, parts);
  return addressOf(site, marker, restored);
}

interface Common {
  dbSubnetGroupName: pulumi.Output<string>;
  vpcSecurityGroupIds: pulumi.Output<string>[];
  skipFinalSnapshot: boolean;
  deletionProtection: boolean;
  applyImmediately: boolean;
  port?: number;
  tags: Record<string, string>;
}

/** A restored instance keeps its snapshot's key, so the snapshot is copied first, under the shadow's. */
function restoreInstance(site: Site, planned: PlannedDatabase, common: Common, parts: DatabaseParts): rds.Instance {
  const { name, snapshotId, instanceClass } = planned;
  const copy = new rds.SnapshotCopy(
    `${site.name}-database-copy-${name}`,
    {
      sourceDbSnapshotIdentifier: sourceOf(site, planned),
      targetDbSnapshotIdentifier: physicalName(site, `copy-${name}-${snapshotId}`, 63),
      kmsKeyId: parts.foundation.key.arn,
      tags: tagsOf(site, `copy for ${name}`),
    },
    child(site),
  );
  return new rds.Instance(
    `${site.name}-database-${name}`,
    {
      ...common,
      identifier: physicalName(site, `database-${name}`, 63),
      snapshotIdentifier: copy.targetDbSnapshotIdentifier,
      instanceClass,
      multiAz: false,
      publiclyAccessible: false,
      backupRetentionPeriod: 0,
      autoMinorVersionUpgrade: false,
    },
    child(site, [...parts.interfaces.values()]),
  );
}

function restoreCluster(
  site: Site,
  planned: PlannedDatabase,
  common: Common,
  parts: DatabaseParts,
): rds.ClusterInstance {
  const { name, instanceClass, engine, engineVersion } = planned;
  const cluster = new rds.Cluster(
    `${site.name}-database-${name}`,
    {
      ...common,
      clusterIdentifier: physicalName(site, `database-${name}`, 63),
      snapshotIdentifier: clusterSnapshot(site, planned, parts),
      engine,
      ...(engineVersion === undefined ? {} : { engineVersion }),
      storageEncrypted: true,
      kmsKeyId: parts.foundation.key.arn,
      backupRetentionPeriod: 1,
    },
    child(site, [...parts.interfaces.values()]),
  );
  return new rds.ClusterInstance(
    `${site.name}-database-member-${name}`,
    {
      identifier: physicalName(site, `database-member-${name}`, 63),
      clusterIdentifier: cluster.id,
      engine: engine as rds.ClusterInstanceArgs["engine"],
      instanceClass,
      dbSubnetGroupName: common.dbSubnetGroupName,
      publiclyAccessible: false,
      autoMinorVersionUpgrade: false,
      applyImmediately: true,
      tags: tagsOf(site, name),
    },
    child(site),
  );
}

/** A cluster is restored under another key at once, but not from an encrypted snapshot of another account. */
function clusterSnapshot(site: Site, planned: PlannedDatabase, parts: DatabaseParts): pulumi.Output<string> {
  const { name, snapshotId, isCopied } = planned;
  const source = sourceOf(site, planned);
  if (!isCopied) return source;
  const copy = new rds.ClusterSnapshotCopy(
    `${site.name}-database-copy-${name}`,
    {
      sourceDbClusterSnapshotIdentifier: source,
      targetDbClusterSnapshotIdentifier: physicalName(site, `copy-${name}-${snapshotId}`, 63),
      kmsKeyId: parts.foundation.key.arn,
      tags: tagsOf(site, `copy for ${name}`),
    },
    child(site),
  );
  return copy.targetDbClusterSnapshotIdentifier;
}

function sourceOf({ place, productionAccount }: Site, planned: PlannedDatabase): pulumi.Output<string> {
  return place.apply((own) => sharedSnapshot(planned, own, productionAccount));
}

/** A snapshot as the account that the shadow stands in knows it: by name its own, by ARN one that is shared with it. */
export function sharedSnapshot(
  { name, snapshotId, isCluster, isCopied }: PlannedDatabase,
  { partition, region, accountId }: Pick<ShadowPlace, "partition" | "region" | "accountId">,
  productionAccount: string | undefined,
): string {
  if (productionAccount === undefined || productionAccount === accountId) return snapshotId;
  const refused = (propertyPath: string, reason: string): never => {
    throw new pulumi.InputPropertyError({ propertyPath, reason });
  };
  if (snapshotId.startsWith("rds:")) {
    const cure =
      "copy it under a name and a key of production's own, capture again and share the copy, or leave `restore` out";
    refused(
      "boundaries",
      `AWS shares no automatic snapshot with another account, and ${snapshotId} of "${name}" is one; ${cure}`,
    );
  }
  if (isCluster && !isCopied) {
    refused(
      "copySnapshots",
      `"${name}" is a cluster of account ${productionAccount}; set \`copySnapshots: true\`, so that its snapshot is copied first`,
    );
  }
  return `arn:${partition}:rds:${region}:${productionAccount}:${isCluster ? "cluster-snapshot" : "snapshot"}:${snapshotId}`;
}

/** AWS tells a database's name and not its address; only its own interface is in the marker group. */
function addressOf(
  site: Site,
  marker: ec2.SecurityGroup,
  restored: rds.Instance | rds.ClusterInstance,
): pulumi.Output<string> {
  const group = pulumi.all([marker.id, restored.arn]).apply(([id]) => id);
  const found = ec2.getNetworkInterfaceOutput(
    { filters: [{ name: "group-id", values: [group] }] },
    { parent: site.parent },
  );
  return found.privateIp;
}
