import {
  type LoadBalancer,
  type Rule,
  type TargetGroup,
  DescribeTargetHealthCommand,
  paginateDescribeListeners,
  paginateDescribeLoadBalancers,
  paginateDescribeRules,
  paginateDescribeTargetGroups,
} from "@aws-sdk/client-elastic-load-balancing-v2";
import {
  type DBCluster,
  type DBInstance,
  paginateDescribeDBClusterSnapshots,
  paginateDescribeDBClusters,
  paginateDescribeDBInstances,
  paginateDescribeDBSnapshots,
} from "@aws-sdk/client-rds";
import {
  ListHostedZonesByVPCCommand,
  type ListHostedZonesByVPCCommandOutput,
  ListResourceRecordSetsCommand,
  type ListResourceRecordSetsCommandOutput,
} from "@aws-sdk/client-route-53";

import type { AwsClients } from "./clients";
import type { Reader } from "./reader";
import type {
  AwsBalancerReading,
  AwsDatabaseSnapshot,
  AwsReading,
  AwsTargetGroupReading,
  AwsZoneReading,
} from "./reading";

/** The load balancers of a VPC; AWS tells listeners, rules and health only one balancer, listener and group at a time. */
export async function readBalancers(
  { balancing }: AwsClients,
  reader: Reader,
  vpcId: string,
): Promise<Pick<AwsReading, "balancers" | "targetGroups">> {
  const config = { client: balancing, pageSize: 100 };
  const stop = { abortSignal: reader.signal };
  const [balancers, groups] = await Promise.all([
    reader.all(
      "load balancers",
      () => paginateDescribeLoadBalancers(config, {}, stop),
      (page) => page.LoadBalancers?.filter(({ VpcId }) => VpcId === vpcId),
    ),
    reader.all(
      "target groups",
      () => paginateDescribeTargetGroups(config, {}, stop),
      (page) => page.TargetGroups?.filter(({ VpcId }) => VpcId === vpcId),
    ),
  ]);
  const readOne = async (balancer: LoadBalancer): Promise<AwsBalancerReading> => {
    const { LoadBalancerArn } = balancer;
    const what = `load balancer ${balancer.LoadBalancerName ?? ""}`;
    const listeners = await reader.all(
      `listeners of ${what}`,
      () => paginateDescribeListeners(config, { LoadBalancerArn }, stop),
      (page) => page.Listeners,
    );
    const hasRules = balancer.Type === "application";
    const withRules = listeners.map(async (listener) => {
      const { ListenerArn } = listener;
      const pages = () => paginateDescribeRules(config, { ListenerArn }, stop);
      const rules = hasRules
        ? await reader.all<{ Rules?: Rule[] }, Rule>(`rules of ${what}`, pages, (page) => page.Rules)
        : [];
      return { listener, rules };
    });
    return { balancer, listeners: await Promise.all(withRules) };
  };
  const readGroup = async (group: TargetGroup): Promise<AwsTargetGroupReading> => {
    const { TargetGroupArn, TargetGroupName = "" } = group;
    const health = await reader.one(`targets of target group ${TargetGroupName}`, () =>
      balancing.send(new DescribeTargetHealthCommand({ TargetGroupArn }), stop),
    );
    return { group, targets: health?.TargetHealthDescriptions ?? [] };
  };
  const used = groups.filter(({ LoadBalancerArns }) => (LoadBalancerArns ?? []).length > 0);
  const [balancerReadings, targetGroups] = await Promise.all([
    Promise.all(balancers.map(readOne)),
    Promise.all(used.map(readGroup)),
  ]);
  return { balancers: balancerReadings, targetGroups };
}

/** The databases of a VPC with their newest snapshots. */
export async function readDatabases(
  { databases }: AwsClients,
  reader: Reader,
  vpcId: string,
): Promise<Pick<AwsReading, "databases" | "clusters" | "databaseSnapshots">> {
  const config = { client: databases, pageSize: 100 };
  const stop = { abortSignal: reader.signal };
  const instances = await reader.all(
    "databases",
    () => paginateDescribeDBInstances(config, {}, stop),
    (page) => page.DBInstances?.filter(({ DBSubnetGroup }) => DBSubnetGroup?.VpcId === vpcId),
  );
  const ownClusters = new Set(instances.flatMap(({ DBClusterIdentifier }) => DBClusterIdentifier ?? []));
  const clusters =
    ownClusters.size === 0
      ? []
      : await reader.all(
          "database clusters",
          () => paginateDescribeDBClusters(config, {}, stop),
          (page) => page.DBClusters?.filter(({ DBClusterIdentifier }) => ownClusters.has(DBClusterIdentifier ?? "")),
        );
  const single = instances.filter(({ DBClusterIdentifier }) => DBClusterIdentifier === undefined);
  const databaseSnapshots = await readDatabaseSnapshots(databases, reader, single, clusters);
  return { databases: instances, clusters, databaseSnapshots };
}

async function readDatabaseSnapshots(
  client: AwsClients["databases"],
  reader: Reader,
  single: DBInstance[],
  clusters: DBCluster[],
): Promise<Map<string, AwsDatabaseSnapshot>> {
  const newest = new Map<string, AwsDatabaseSnapshot>();
  const keep = (
    owner: string | undefined,
    id: string | undefined,
    at: Date | undefined,
    status: string | undefined,
  ): void => {
    if (owner === undefined || id === undefined || at === undefined || status !== "available") return;
    const known = newest.get(owner);
    if (known === undefined || known.at < at) newest.set(owner, { id, at });
  };
  const config = { client, pageSize: 100 };
  const stop = { abortSignal: reader.signal };
  await Promise.all([
    reader.batches(
      "snapshots of databases",
      single.flatMap(({ DBInstanceIdentifier }) => DBInstanceIdentifier ?? []),
      100,
      (Values) => paginateDescribeDBSnapshots(config, { Filters: [{ Name: "db-instance-id", Values }] }, stop),
      ({ DBSnapshots = [] }) => {
        for (const s of DBSnapshots)
          keep(s.DBInstanceIdentifier, s.DBSnapshotIdentifier, s.SnapshotCreateTime, s.Status);
        return [];
      },
    ),
    reader.batches(
      "snapshots of database clusters",
      clusters.flatMap(({ DBClusterIdentifier }) => DBClusterIdentifier ?? []),
      100,
      (Values) => paginateDescribeDBClusterSnapshots(config, { Filters: [{ Name: "db-cluster-id", Values }] }, stop),
      ({ DBClusterSnapshots = [] }) => {
        for (const s of DBClusterSnapshots)
          keep(s.DBClusterIdentifier, s.DBClusterSnapshotIdentifier, s.SnapshotCreateTime, s.Status);
        return [];
      },
    ),
  ]);
  return newest;
}

/** The private zones of a VPC with their records; zones that AWS's services keep for themselves are left out. */
export async function readPrivateZones(
  { names }: AwsClients,
  reader: Reader,
  vpcId: string,
  region: string,
): Promise<AwsZoneReading[]> {
  const stop = { abortSignal: reader.signal };
  const place = { VPCId: vpcId, VPCRegion: region as "eu-central-1" };
  const summaries = await reader.all(
    "private zones",
    () =>
      everyPage<ListHostedZonesByVPCCommandOutput, string>(
        (NextToken) => names.send(new ListHostedZonesByVPCCommand({ ...place, NextToken }), stop),
        (page) => page.NextToken,
      ),
    (page) => page.HostedZoneSummaries,
  );
  const own = summaries.filter(({ Owner }) => Owner?.OwningService === undefined);
  return Promise.all(
    own.map(async ({ HostedZoneId = "", Name = "" }) => {
      const pages = () => recordPages(names, HostedZoneId, stop);
      const records = await reader.all(`records of private zone ${Name}`, pages, (page) => page.ResourceRecordSets);
      return { id: HostedZoneId, name: Name, records };
    }),
  );
}

function recordPages(client: AwsClients["names"], HostedZoneId: string, stop: { abortSignal?: AbortSignal }) {
  return everyPage<ListResourceRecordSetsCommandOutput, RecordPosition>(
    (from) => client.send(new ListResourceRecordSetsCommand({ HostedZoneId, ...from }), stop),
    (page) =>
      page.IsTruncated === true
        ? {
            StartRecordName: page.NextRecordName,
            StartRecordType: page.NextRecordType,
            StartRecordIdentifier: page.NextRecordIdentifier,
          }
        : undefined,
  );
}

type RecordPosition = Pick<
  ConstructorParameters<typeof ListResourceRecordSetsCommand>[0],
  "StartRecordName" | "StartRecordType" | "StartRecordIdentifier"
>;

/** The pages of a call for which the SDK has no paginator. */
async function* everyPage<Page, Position>(
  send: (position: Position | undefined) => Promise<Page>,
  next: (page: Page) => Position | undefined,
): AsyncGenerator<Page> {
  let position: Position | undefined;
  do {
    const page = await send(position);
    yield page;
    position = next(page);
  } while (position !== undefined);
}
