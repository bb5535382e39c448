import type { Finding, Rule } from "../rule";
import { isGiven } from "../values";

const restored = ["aws:rds/instance:Instance", "aws:rds/cluster:Cluster"];
const links = [
  "replicateSourceDb",
  "replicationSourceIdentifier",
  "sourceRegion",
  "globalClusterIdentifier",
  "globalReplicationGroupId",
  "sourceFileSystemId",
  "sourceBackupId",
];

export const rule: Rule = {
  description:
    "Databases and file systems of a shadow are restored copies that replicate from nothing and face nobody outside.",
  types: [
    ...restored,
    "aws:rds/clusterInstance:ClusterInstance",
    "aws:elasticache/replicationGroup:ReplicationGroup",
    "aws:elasticache/cluster:Cluster",
    "aws:efs/fileSystem:FileSystem",
    "aws:efs/mountTarget:MountTarget",
    "aws:fsx/lustreFileSystem:LustreFileSystem",
    "aws:fsx/windowsFileSystem:WindowsFileSystem",
    "aws:fsx/ontapFileSystem:OntapFileSystem",
    "aws:fsx/openZfsFileSystem:OpenZfsFileSystem",
    "aws:docdb/cluster:Cluster",
    "aws:neptune/cluster:Cluster",
    "aws:redshift/cluster:Cluster",
  ],
  checks: [
    (props): Finding[] =>
      links.flatMap((property): Finding[] =>
        isGiven(props[property])
          ? [
              {
                property,
                value: props[property],
                reason: "it would stay connected with its source",
                cure: "restore it from a snapshot",
              },
            ]
          : [],
      ),
    ({ publiclyAccessible }): Finding[] =>
      publiclyAccessible === true
        ? [
            {
              property: "publiclyAccessible",
              value: true,
              reason: "it would face the internet",
              cure: "set it to false",
            },
          ]
        : [],
    ({ dbSubnetGroupName }, { type }): Finding[] =>
      restored.includes(type) && !isGiven(dbSubnetGroupName)
        ? [
            {
              property: "dbSubnetGroupName",
              reason: "without one it lands in the default VPC",
              cure: "give the shadow's subnet group",
            },
          ]
        : [],
  ],
};
