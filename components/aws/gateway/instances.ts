import { createHash } from "node:crypto";

import * as autoscaling from "@pulumi/aws/autoscaling";
import * as ec2 from "@pulumi/aws/ec2";
import * as iam from "@pulumi/aws/iam";
import * as s3 from "@pulumi/aws/s3";
import * as ssm from "@pulumi/aws/ssm";
import * as pulumi from "@pulumi/pulumi";

import type { MadeBalancer } from "../mirror/balancer";
import { type MirrorSite, mirrorTags, zoneOf } from "../mirror/site";
import { AwsMirrorTargetMode, instanceArchitecture } from "../mirror/settings";
import { gatewayArchive } from "./archive";
import type { GatewayBoot } from "./boot";
import { IntakeCommand, parameterPath } from "./names";
import { bucketPolicy, gatewayPolicy, gatewayTrust } from "./policy";
import { userData } from "./userData";

/** Instance type of gateways. */
export const defaultGatewayType = "c6i.large";

/** The parameters by which gateways are steered. */
export interface MadeParameters {
  settings: ssm.Parameter;
  intake: ssm.Parameter;
}

/** Makes the parameters. The intake's is made once as closed and left to those who run experiments. */
export function makeParameters(site: MirrorSite): MadeParameters {
  const { name, plan, shadow, parent } = site;
  const path = shadow.shadowName.apply((shadowName) => parameterPath(shadowName, name));
  const tags = mirrorTags(site, "gateway");
  const settings = new ssm.Parameter(
    `${name}-settings`,
    {
      name: pulumi.interpolate`${path}/settings`,
      description: "What the gateways carry; they follow within seconds",
      type: "String",
      tier: "Intelligent-Tiering",
      // No secret: the preview shows what changes.
      insecureValue: JSON.stringify(plan.settings),
      tags,
    },
    { parent },
  );
  const intake = new ssm.Parameter(
    `${name}-intake`,
    {
      name: pulumi.interpolate`${path}/intake`,
      description: "open or closed; opened when nothing could leave the shadow",
      type: "String",
      allowedPattern: `^(${Object.values(IntakeCommand).join("|")})$`,
      insecureValue: IntakeCommand.Closed,
      tags,
    },
    { parent, ignoreChanges: ["insecureValue", "value"] },
  );
  return { settings, intake };
}

/** What gateway instances are made from. */
export interface GatewayParts {
  parameters: MadeParameters;
  diode: pulumi.Resource;
  /** Left out where copies come without a load balancer. */
  balancer?: MadeBalancer;
  imageId?: pulumi.Input<string>;
}

/** Makes the gateways of every zone that has sources. */
export function makeGateways(site: MirrorSite, parts: GatewayParts): void {
  const role = makeRole(site, parts.parameters);
  const files = makeFiles(site, role.role, parts.parameters);
  for (const { zoneId } of site.plan.zones) makeZone(site, zoneId, { ...parts, ...role, ...files });
}

interface MadeRole {
  role: iam.Role;
  profile: iam.InstanceProfile;
  permission: iam.RolePolicy;
}

/** One gateway a zone stands for it and takes its interface; several share the work under their own addresses. */
function attachesInterface({ settings }: MirrorSite): boolean {
  return (settings.gatewaysPerZone ?? 1) === 1;
}

function makeRole(site: MirrorSite, { settings, intake }: MadeParameters): MadeRole {
  const { name, shadow, parent } = site;
  const role = new iam.Role(
    `${name}-gateway-role`,
    {
      path: shadow.rolePath,
      description: "Gateways of a shadow",
      assumeRolePolicy: JSON.stringify(gatewayTrust()),
      permissionsBoundary: shadow.permissionsBoundaryArn,
      tags: mirrorTags(site, "gateway"),
    },
    { parent },
  );
  const interfaceIds = attachesInterface(site)
    ? pulumi.all(site.plan.zones.map(({ zoneId }) => zoneOf(site, zoneId).gatewayInterfaceId))
    : pulumi.output([]);
  const policy = pulumi
    .output({ ...placeInAws(site), interfaceIds, parameters: pulumi.all([settings.name, intake.name]) })
    .apply((place) => JSON.stringify(gatewayPolicy(place)));
  const permission = new iam.RolePolicy(`${name}-gateway-policy`, { role: role.id, policy }, { parent });
  const profile = new iam.InstanceProfile(
    `${name}-gateway-profile`,
    { path: shadow.rolePath, role: role.name, tags: mirrorTags(site, "gateway") },
    { parent },
  );
  return { role, profile, permission };
}

/** What the documents of gateways name; all of it is known in a preview. */
function placeInAws({ shadow: { partition, region, accountId, shadowName, bucketName } }: MirrorSite) {
  return { partition, region, accountId, shadowName, bucketName };
}

interface MadeFiles {
  archive: s3.BucketObjectv2;
  archiveSha256: pulumi.Output<string>;
  boot: s3.BucketObjectv2;
  bootSha256: pulumi.Output<string>;
  access: s3.BucketPolicy;
}

/** Puts what instances fetch into the shadow's private bucket; a file with other content has another name. */
function makeFiles(site: MirrorSite, role: iam.Role, parameters: MadeParameters): MadeFiles {
  const { name, parent } = site;
  const { bucket, access } = makeBucket(site, role);
  const built = pulumi.output(
    gatewayArchive(instanceArchitecture(site.settings.gatewayInstanceType ?? defaultGatewayType)!),
  );
  const archive = new s3.BucketObjectv2(
    `${name}-archive`,
    {
      bucket: bucket.id,
      key: pulumi.interpolate`gateway/${built.sha256}.tar.gz`,
      source: built.file.apply((file) => new pulumi.asset.FileAsset(file)),
      sourceHash: built.sha256,
      tags: mirrorTags(site, "gateway"),
    },
    { parent },
  );
  const content = bootContent(site, parameters);
  const bootSha256 = content.apply((text) => createHash("sha256").update(text).digest("hex"));
  const boot = new s3.BucketObjectv2(
    `${name}-boot`,
    {
      bucket: bucket.id,
      key: pulumi.interpolate`gateway/${bootSha256}.json`,
      content,
      contentType: "application/json",
      tags: mirrorTags(site, "gateway"),
    },
    { parent },
  );
  return { archive, archiveSha256: built.sha256, boot, bootSha256, access };
}

function bootContent({ shadow, plan }: MirrorSite, { settings, intake }: MadeParameters): pulumi.Output<string> {
  const known = pulumi.all([shadow.shadowName, shadow.region, settings.name, intake.name]);
  return known.apply(([shadowName, region, settingsParameter, intakeParameter]) => {
    const boot: GatewayBoot = {
      shadowName,
      region,
      settingsParameter,
      intakeParameter,
      intake: plan.targetMode === AwsMirrorTargetMode.NetworkInterface ? "vxlan" : "geneve",
      basis: plan.basis,
    };
    return JSON.stringify(boot);
  });
}

function makeBucket(site: MirrorSite, role: iam.Role): { bucket: s3.Bucket; access: s3.BucketPolicy } {
  const { name, shadow, parent } = site;
  const bucket = new s3.Bucket(
    `${name}-bucket`,
    { bucket: shadow.bucketName, forceDestroy: true, tags: mirrorTags(site, "gateway") },
    { parent },
  );
  const closed = {
    blockPublicAcls: true,
    blockPublicPolicy: true,
    ignorePublicAcls: true,
    restrictPublicBuckets: true,
  };
  const block = new s3.BucketPublicAccessBlock(`${name}-bucket-block`, { bucket: bucket.id, ...closed }, { parent });
  new s3.BucketServerSideEncryptionConfiguration(
    `${name}-bucket-encryption`,
    { bucket: bucket.id, rules: [{ applyServerSideEncryptionByDefault: { sseAlgorithm: "AES256" } }] },
    { parent },
  );
  new s3.BucketVersioning(
    `${name}-bucket-versions`,
    { bucket: bucket.id, versioningConfiguration: { status: "Enabled" } },
    { parent },
  );
  const policy = pulumi
    .all([pulumi.output(placeInAws(site)), role.arn])
    .apply(([place, roleArn]) => JSON.stringify(bucketPolicy(place, roleArn)));
  const access = new s3.BucketPolicy(
    `${name}-bucket-policy`,
    { bucket: bucket.id, policy },
    { parent, dependsOn: [block] },
  );
  return { bucket, access };
}

function makeZone(site: MirrorSite, zoneId: string, parts: GatewayParts & MadeRole & MadeFiles): void {
  const { name, settings, parent } = site;
  const { balancer, diode, profile, permission, access, archive, boot, parameters } = parts;
  const zone = zoneOf(site, zoneId);
  const tags = mirrorTags(site, "gateway");
  const count = settings.gatewaysPerZone ?? 1;
  const template = makeTemplate(site, zoneId, parts);
  new autoscaling.Group(
    `${name}-gateways-${zoneId}`,
    {
      minSize: count,
      maxSize: count,
      desiredCapacity: count,
      vpcZoneIdentifiers: [zone.gatewaySubnetId],
      launchTemplate: { id: template.id, version: template.latestVersion.apply(String) },
      ...(balancer === undefined ? {} : { targetGroupArns: [balancer.targets.arn] }),
      healthCheckType: balancer === undefined ? "EC2" : "ELB",
      healthCheckGracePeriod: 300,
      // The zone's interface is on one instance only: the old one goes before the new one comes.
      instanceRefresh: {
        strategy: "Rolling",
        preferences: { minHealthyPercentage: count === 1 ? 0 : 50, instanceWarmup: "60" },
      },
      forceDelete: true,
      tags: Object.entries(tags).map(([key, value]) => ({ key, value, propagateAtLaunch: true })),
    },
    {
      parent,
      dependsOn: [
        diode,
        permission,
        access,
        archive,
        boot,
        parameters.settings,
        parameters.intake,
        profile,
        ...(balancer === undefined ? [] : [balancer.listener]),
      ],
    },
  );
}

function makeTemplate(
  site: MirrorSite,
  zoneId: string,
  { imageId, profile, archive, archiveSha256, boot, bootSha256 }: GatewayParts & MadeRole & MadeFiles,
): ec2.LaunchTemplate {
  const { name, settings, shadow, plan, parent } = site;
  const instanceType = settings.gatewayInstanceType ?? defaultGatewayType;
  const tags = mirrorTags(site, "gateway");
  const text = pulumi
    .output({
      region: shadow.region,
      bucket: shadow.bucketName,
      archiveKey: archive.key,
      archiveSha256,
      bootKey: boot.key,
      bootSha256,
      cidrs: shadow.cidrs,
      zone: zoneOf(site, zoneId),
    })
    .apply(({ cidrs, zone, ...files }) =>
      userData({
        ...files,
        ...(attachesInterface(site)
          ? { standingInterfaceId: zone.gatewayInterfaceId, standingAddress: zone.gatewayAddress }
          : {}),
        shadowCidrs: plan.basis.shadowCidrs,
        applianceCidrs: cidrs.filter((cidr) => !plan.basis.shadowCidrs.includes(cidr)),
      }),
    );
  return new ec2.LaunchTemplate(
    `${name}-gateway-template-${zoneId}`,
    {
      imageId: imageId ?? newestImage(instanceType),
      instanceType,
      iamInstanceProfile: { arn: profile.arn },
      metadataOptions: { httpEndpoint: "enabled", httpTokens: "required", httpPutResponseHopLimit: 1 },
      networkInterfaces: [
        {
          deviceIndex: 0,
          associatePublicIpAddress: "false",
          deleteOnTermination: "true",
          securityGroups: [shadow.gatewaySecurityGroupId],
        },
      ],
      blockDeviceMappings: [
        {
          deviceName: "/dev/xvda",
          ebs: {
            encrypted: "true",
            kmsKeyId: shadow.kmsKeyArn,
            volumeSize: 20,
            volumeType: "gp3",
            deleteOnTermination: "true",
          },
        },
      ],
      monitoring: { enabled: true },
      tagSpecifications: ["instance", "volume", "network-interface"].map((resourceType) => ({ resourceType, tags })),
      updateDefaultVersion: true,
      userData: text.apply((script) => Buffer.from(script).toString("base64")),
      tags,
    },
    { parent },
  );
}

/** Amazon Linux 2023 as it is when an instance starts: a newer one changes no resource. */
function newestImage(instanceType: string): string {
  const architecture = instanceArchitecture(instanceType) === "arm64" ? "arm64" : "x86_64";
  return `resolve:ssm:/aws/service/ami-amazon-linux-latest/al2023-ami-kernel-default-${architecture}`;
}
