import { GetObjectCommand, S3Client } from "@aws-sdk/client-s3";
import { GetCallerIdentityCommand, STSClient } from "@aws-sdk/client-sts";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { gatewayBucketName } from "../gateway/names";
import { type AwsShadowRecord, recordKey } from "./recordFormat";

/**
 * Reads the record of a shadow in the account and region that the environment's credentials are for
 * (`AWS_PROFILE`, `AWS_REGION` …). Throws a `ShadownetError` when there is none, or when it may not be read.
 */
export async function readAwsRecord(shadowName: string): Promise<AwsShadowRecord> {
  const sts = new STSClient({});
  const region = await sts.config.region().catch(() => undefined);
  if (region === undefined) {
    throw new ShadownetError(
      "no-region",
      "no AWS region is set; set AWS_REGION or a profile that has one",
      ExitCode.BadInput,
    );
  }
  const { Account: account } = await sts.send(new GetCallerIdentityCommand({})).catch((error: unknown) => {
    const message = `AWS does not say whose credentials these are: ${(error as Error).message}`;
    throw new ShadownetError("no-credentials", `${message}; log in, or set AWS_PROFILE`, ExitCode.NotPossibleHere);
  });
  const bucket = gatewayBucketName(shadowName, account!, region);
  const s3 = new S3Client({ region });
  try {
    const { Body: body } = await s3.send(new GetObjectCommand({ Bucket: bucket, Key: recordKey }));
    return JSON.parse(await body!.transformToString()) as AwsShadowRecord;
  } catch (error) {
    const { name, message } = error as Error;
    const missing = name === "NoSuchKey" || name === "NoSuchBucket";
    const what = missing ? `account ${account} has no shadow "${shadowName}" in ${region}` : message;
    const cure = "is it deployed with a mirror, and are these its account and region?";
    throw new ShadownetError("no-such-shadow", `${what}; ${cure}`, ExitCode.BadInput);
  } finally {
    s3.destroy();
    sts.destroy();
  }
}
