import type { DBCluster, DBInstance } from "@aws-sdk/client-rds";

import type { BoundaryDraft, PlaceNames } from "./boundaries";
import type { AwsReading } from "./reading";
import { present } from "./rules";

/** Managed databases as boundaries: instances that stand alone, and clusters as a whole. */
export function databaseBoundaries(reading: AwsReading, places: PlaceNames): BoundaryDraft[] {
  const single = reading.databases.filter(({ DBClusterIdentifier }) => DBClusterIdentifier === undefined);
  return [
    ...single.map((database) => instanceDraft(database, reading, places)),
    ...reading.clusters.map((cluster) => clusterDraft(cluster, reading, places)),
  ];
}

function instanceDraft(database: DBInstance, reading: AwsReading, places: PlaceNames): BoundaryDraft {
  const identifier = database.DBInstanceIdentifier!;
  return draft(identifier, reading, {
    kind: "rdsInstance",
    id: database.DBInstanceArn ?? identifier,
    ...definedOnly({
      names: database.Endpoint?.Address === undefined ? undefined : [database.Endpoint.Address],
      port: database.Endpoint?.Port,
      engine: database.Engine,
      engineVersion: database.EngineVersion,
      instanceClass: database.DBInstanceClass,
      encrypted: database.StorageEncrypted,
      kmsKeyId: database.KmsKeyId,
      subnets: subnetsOf(database, places),
      securityGroups: groupsOf(database, places),
    }),
  });
}

function clusterDraft(cluster: DBCluster, reading: AwsReading, places: PlaceNames): BoundaryDraft {
  const identifier = cluster.DBClusterIdentifier!;
  const members = reading.databases.filter(({ DBClusterIdentifier }) => DBClusterIdentifier === identifier);
  const names = present([cluster.Endpoint, cluster.ReaderEndpoint]);
  return draft(identifier, reading, {
    kind: "rdsCluster",
    id: cluster.DBClusterArn ?? identifier,
    ...definedOnly({
      names: names.length === 0 ? undefined : names,
      port: cluster.Port,
      engine: cluster.Engine,
      engineVersion: cluster.EngineVersion,
      instanceClass: members[0]?.DBInstanceClass,
      encrypted: cluster.StorageEncrypted,
      kmsKeyId: cluster.KmsKeyId,
      subnets: members[0] === undefined ? undefined : subnetsOf(members[0], places),
      securityGroups: groupsOf(cluster, places),
      members: members.length,
    }),
  });
}

function draft(identifier: string, { databaseSnapshots }: AwsReading, aws: BoundaryDraft["aws"]): BoundaryDraft {
  const snapshot = databaseSnapshots.get(identifier);
  const newest = snapshot === undefined ? {} : { snapshotId: snapshot.id, snapshotAt: snapshot.at.toISOString() };
  return { id: aws.id, wanted: identifier, kind: "managedService", cidrs: [], aws: { ...aws, ...newest } };
}

function subnetsOf({ DBSubnetGroup }: DBInstance, { subnets }: PlaceNames): string[] | undefined {
  const names = present(
    (DBSubnetGroup?.Subnets ?? []).map(({ SubnetIdentifier = "" }) => subnets.get(SubnetIdentifier)),
  );
  return names.length === 0 ? undefined : names;
}

function groupsOf(database: Pick<DBInstance, "VpcSecurityGroups">, { groups }: PlaceNames): string[] | undefined {
  const ids = database.VpcSecurityGroups ?? [];
  const names = present(ids.map(({ VpcSecurityGroupId = "" }) => groups.get(VpcSecurityGroupId)));
  return names.length === 0 ? undefined : names;
}

/** A record without the fields that are undefined: a topology is JSON. */
export function definedOnly<T extends object>(fields: T): { [Key in keyof T]?: Exclude<T[Key], undefined> } {
  return Object.fromEntries(Object.entries(fields).filter(([, value]) => value !== undefined)) as {
    [Key in keyof T]?: Exclude<T[Key], undefined>;
  };
}
