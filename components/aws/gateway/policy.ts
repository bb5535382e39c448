import { type ArnPlace, type IamDocument, arnOf, iamDocument } from "../iam/document";
import { metricNamespace } from "../metrics";
import { shadowTag } from "../shadow";

/** What the documents of a mirror's gateways are about. */
export interface GatewayPlaceInAws extends ArnPlace {
  shadowName: string;
  bucketName: string;
  /** Names of the parameters that they read. */
  parameters: string[];
  /** Ids of the standing interfaces that they attach; none where they attach none. */
  interfaceIds: string[];
}

/** What a gateway may do: fetch its archive, read its two parameters, publish its metrics, attach its interface. */
export function gatewayPolicy(place: GatewayPlaceInAws): IamDocument {
  const { partition, bucketName, parameters, interfaceIds, shadowName } = place;
  return iamDocument([
    {
      Sid: "FetchArchive",
      Effect: "Allow",
      Action: ["s3:GetObject"],
      Resource: [`arn:${partition}:s3:::${bucketName}/gateway/*`],
    },
    {
      Sid: "ReadSettings",
      Effect: "Allow",
      Action: ["ssm:GetParameters"],
      Resource: parameters.map((name) => arnOf(place, "ssm", `parameter${name}`)),
    },
    {
      Sid: "PublishMetrics",
      Effect: "Allow",
      Action: ["cloudwatch:PutMetricData"],
      Resource: ["*"],
      Condition: { StringEquals: { "cloudwatch:namespace": metricNamespace } },
    },
    interfaceIds.length === 0
      ? undefined
      : { Sid: "SeeInterface", Effect: "Allow", Action: ["ec2:DescribeNetworkInterfaces"], Resource: ["*"] },
    interfaceIds.length === 0
      ? undefined
      : {
          Sid: "AttachInterface",
          Effect: "Allow",
          Action: ["ec2:AttachNetworkInterface"],
          Resource: [
            ...interfaceIds.map((id) => arnOf(place, "ec2", `network-interface/${id}`)),
            arnOf(place, "ec2", "instance/*"),
          ],
          Condition: { StringEquals: { [`aws:ResourceTag/${shadowTag}`]: shadowName } },
        },
  ]);
}

/** Lets instances of the account take the role; EC2 names no source that could be compared. */
export function gatewayTrust(): IamDocument {
  return iamDocument([
    {
      Sid: "InstancesOfThisAccount",
      Effect: "Allow",
      Principal: { Service: "ec2.amazonaws.com" },
      Action: ["sts:AssumeRole"],
    },
  ]);
}

/** Nobody outside the shadow's account, and nobody without TLS, whatever other policies say; the gateways may read. */
export function bucketPolicy(
  place: Pick<GatewayPlaceInAws, "partition" | "accountId" | "bucketName">,
  roleArn: string,
): IamDocument {
  const { partition, accountId, bucketName } = place;
  const bucket = `arn:${partition}:s3:::${bucketName}`;
  const everything = {
    Effect: "Deny" as const,
    Principal: { AWS: "*" },
    Action: ["s3:*"],
    Resource: [bucket, `${bucket}/*`],
  };
  return iamDocument([
    {
      Sid: "Gateways",
      Effect: "Allow",
      Principal: { AWS: roleArn },
      Action: ["s3:GetObject"],
      Resource: [`${bucket}/gateway/*`],
      Condition: { StringEquals: { "aws:PrincipalAccount": accountId } },
    },
    { ...everything, Sid: "OwnAccountOnly", Condition: { StringNotEquals: { "aws:PrincipalAccount": accountId } } },
    { ...everything, Sid: "TlsOnly", Condition: { Bool: { "aws:SecureTransport": "false" } } },
  ]);
}
