import { forbidTypes } from "../rule";

export const rule = forbidTypes(
  "A shadow shares nothing with other accounts and copies nothing out: RAM shares, replication, permissions on images and keys.",
  "it hands a part of the shadow to others, carries its data out, or hides what it makes",
  "leave it out; what another account needs is given by the endpoint service's allowed principals alone",
  [
    "aws:ram/resourceShare:ResourceShare",
    "aws:ram/resourceAssociation:ResourceAssociation",
    "aws:ram/principalAssociation:PrincipalAssociation",
    "aws:ram/resourceShareAccepter:ResourceShareAccepter",
    "aws:vpc/securityGroupVpcAssociation:SecurityGroupVpcAssociation",
    "aws:ec2/networkInterfacePermission:NetworkInterfacePermission",
    "aws:ec2transitgateway/instanceConnectEndpoint:InstanceConnectEndpoint",
    "aws:directoryservice/sharedDirectory:SharedDirectory",
    "aws:rds/globalCluster:GlobalCluster",
    "aws:rds/instanceAutomatedBackupsReplication:InstanceAutomatedBackupsReplication",
    "aws:elasticache/globalReplicationGroup:GlobalReplicationGroup",
    "aws:efs/replicationConfiguration:ReplicationConfiguration",
    "aws:s3/bucketReplicationConfig:BucketReplicationConfig",
    "aws:dms/replicationInstance:ReplicationInstance",
    "aws:ec2/snapshotCreateVolumePermission:SnapshotCreateVolumePermission",
    "aws:ec2/amiLaunchPermission:AmiLaunchPermission",
    "aws:kms/grant:Grant",
    "aws:cloudformation/stack:Stack",
  ],
);
