/** One statement of a policy document. */
export interface IamStatement {
  /** Says what it is for. */
  Sid: string;
  Effect: "Allow" | "Deny";
  Principal?: Record<string, string | string[]>;
  Action: string[];
  Resource?: string[];
  Condition?: Record<string, Record<string, string | string[]>>;
}

/** A policy document, only data; `JSON.stringify` makes what AWS takes. */
export interface IamDocument {
  Version: "2012-10-17";
  Statement: IamStatement[];
}

/** A document of these statements; those that are undefined are left out. */
export function iamDocument(statements: readonly (IamStatement | undefined)[]): IamDocument {
  return { Version: "2012-10-17", Statement: statements.filter((statement) => statement !== undefined) };
}

/** Where ARNs of a shadow lie. */
export interface ArnPlace {
  partition: string;
  region: string;
  accountId: string;
}

/** Partition of ARNs in a region. */
export function partitionOf(region = ""): string {
  if (region.startsWith("cn-")) return "aws-cn";
  return region.startsWith("us-gov-") ? "aws-us-gov" : "aws";
}

/** An ARN of the account in the region. */
export function arnOf({ partition, region, accountId }: ArnPlace, service: string, resource: string): string {
  return `arn:${partition}:${service}:${region}:${accountId}:${resource}`;
}

/** Lets one AWS service take a role, for resources of this account whose ARN matches. */
export function serviceTrust(place: ArnPlace, service: string, sourceArn: string): IamDocument {
  return iamDocument([
    {
      Sid: "OneServiceForThisAccount",
      Effect: "Allow",
      Principal: { Service: `${service}.amazonaws.com` },
      Action: ["sts:AssumeRole"],
      Condition: {
        StringEquals: { "aws:SourceAccount": place.accountId },
        ArnLike: { "aws:SourceArn": sourceArn },
      },
    },
  ]);
}
