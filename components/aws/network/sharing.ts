import type { Topology } from "../../topology";
import type { AwsMachineExtras } from "../../topologyAws";

/** What a shadow in another account starts from, and what production has to share of it. */
export interface Sharing {
  /** Images of production's own. */
  imageIds: string[];
  /** Snapshots of volumes. */
  snapshotIds: string[];
  /** Snapshots of databases that are to be restored. */
  databaseSnapshots: { id: string; isCluster: boolean }[];
  /** ARNs of the keys that encrypt any of these. */
  keyArns: string[];
  /** What cannot be shared as it is, one sentence each with the cure. */
  notes: string[];
}

/** What a shadow of the topology takes from production's account, with the databases of these names restored. */
export function sharingOf(topology: Topology, restored: readonly string[] = []): Sharing {
  const machines = topology.machines.flatMap(({ aws }) =>
    aws === undefined || aws.managedBy !== undefined ? [] : [aws],
  );
  const databases = (topology.boundaries ?? []).flatMap(({ name, aws }) =>
    aws?.snapshotId === undefined || !restored.includes(name) ? [] : [{ name, aws, snapshotId: aws.snapshotId }],
  );
  const automatic = databases.filter(({ snapshotId }) => snapshotId.startsWith("rds:"));
  const manual = databases.filter((one) => !automatic.includes(one));
  const starts = machines.map((aws) => startOf(aws, topology.source?.account));
  const keys = [...starts.flatMap(({ keys: own }) => own), ...manual.flatMap(({ aws }) => aws.kmsKeyId ?? [])];
  return {
    imageIds: unique(starts.flatMap(({ images }) => images)),
    snapshotIds: unique(starts.flatMap(({ snapshots }) => snapshots)),
    databaseSnapshots: manual.map(({ snapshotId, aws }) => ({ id: snapshotId, isCluster: aws.kind === "rdsCluster" })),
    keyArns: unique(keys),
    notes: automatic.map(
      ({ name, snapshotId }) =>
        `AWS shares no automatic snapshot, and ${snapshotId} of "${name}" is one: copy it under a name and a key of your own, and capture again`,
    ),
  };
}

/** What one machine starts from when nothing else is asked for, as the plan of a shadow chooses it. */
function startOf(
  aws: AwsMachineExtras,
  account: string | undefined,
): { images: string[]; snapshots: string[]; keys: string[] } {
  const volumes = aws.volumes ?? [];
  const keys = volumes.flatMap(({ kmsKeyId }) => kmsKeyId ?? []);
  if (aws.newestImageId !== undefined) return { images: [aws.newestImageId], snapshots: [], keys };
  const kept = volumes.filter(({ snapshotId }) => snapshotId !== undefined);
  const isRootKept = kept.some(({ device }) => device === aws.rootDevice);
  const isOwnImage = aws.imageId !== undefined && aws.imageOwner !== undefined && aws.imageOwner === account;
  return {
    images: !isRootKept && isOwnImage ? [aws.imageId!] : [],
    snapshots: kept.map(({ snapshotId }) => snapshotId!),
    keys: kept.flatMap(({ kmsKeyId }) => kmsKeyId ?? []),
  };
}

function unique(list: readonly string[]): string[] {
  return [...new Set(list)].sort();
}

/** How the commands are to be written. */
export interface SharingTarget {
  /** Account of the shadow. */
  account: string;
  /** Region of production. */
  region: string;
  /** Partition of ARNs. */
  partition: string;
  /** Whether what was shared is taken back. */
  undo: boolean;
}

/** What a grant to another account must allow, so that copies and volumes can be made of what a key encrypts. */
const operations = [
  "Decrypt",
  "DescribeKey",
  "CreateGrant",
  "GenerateDataKeyWithoutPlaintext",
  "ReEncryptFrom",
  "ReEncryptTo",
  "RetireGrant",
];
const grantName = "shadownet";

/** The AWS command line's commands that share this with another account, or take it back; production runs them. */
export function sharingCommands(sharing: Sharing, { account, region, partition, undo }: SharingTarget): string[] {
  const { imageIds, snapshotIds, databaseSnapshots, keyArns } = sharing;
  const change = undo ? "Remove" : "Add";
  const root = `arn:${partition}:iam::${account}:root`;
  return [
    ...imageIds.map(
      (id) =>
        `aws ec2 modify-image-attribute --region ${region} --image-id ${id} --launch-permission '${change}=[{UserId=${account}}]'`,
    ),
    ...snapshotIds.map(
      (id) =>
        `aws ec2 modify-snapshot-attribute --region ${region} --snapshot-id ${id} --attribute createVolumePermission --operation-type ${undo ? "remove" : "add"} --user-ids ${account}`,
    ),
    ...databaseSnapshots.map(({ id, isCluster }) => {
      const [command, option] = isCluster
        ? ["modify-db-cluster-snapshot-attribute", "--db-cluster-snapshot-identifier"]
        : ["modify-db-snapshot-attribute", "--db-snapshot-identifier"];
      return `aws rds ${command} --region ${region} ${option} ${id} --attribute-name restore --values-to-${undo ? "remove" : "add"} ${account}`;
    }),
    ...keyArns.map((key) => (undo ? revocation(key, root, region) : grant(key, root, region))),
  ];
}

function grant(key: string, root: string, region: string): string {
  return `aws kms create-grant --region ${region} --name ${grantName} --key-id ${key} --grantee-principal ${root} --operations ${operations.join(" ")}`;
}

function revocation(key: string, root: string, region: string): string {
  const query = `Grants[?Name==\`${grantName}\` && GranteePrincipal==\`${root}\`].GrantId`;
  return (
    `aws kms list-grants --region ${region} --key-id ${key} --query '${query}' --output text | tr '\\t' '\\n' | ` +
    `xargs -r -n 1 aws kms revoke-grant --region ${region} --key-id ${key} --grant-id`
  );
}
