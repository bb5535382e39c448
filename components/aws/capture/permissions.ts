import { refuse } from "../../internal/problems";
import { type AwsAccess, makeClients } from "./clients";
import { accessFailure, errorName, isRefused, refusalReason } from "./failures";
import { type CaptureAction, captureActions } from "./policy";
import { type ProbeContext, probes } from "./probes";
import { batchesOf } from "./reader";
import { readVpc } from "./readNetwork";
import { accessProblems, requireRegion } from "./settings";

/** What a dry run found out about one call that capture makes. */
export interface AwsPermission {
  /** The call, for example `ec2:DescribeVpcs`. */
  action: string;
  outcome: PermissionOutcome;
  /** How it was found out, or why it was refused. */
  detail: string;
}

/** How trying a call ended; untried when there is nothing to ask about. */
export const PermissionOutcome = { Permitted: "permitted", Refused: "refused", Untried: "untried" } as const;
export type PermissionOutcome = (typeof PermissionOutcome)[keyof typeof PermissionOutcome];

/** Settings of {@link checkAwsPermissions}. */
export interface AwsPermissionSettings extends AwsAccess {
  /** Stops the check. Defaults to none. */
  signal?: AbortSignal;
}

/** How many calls are tried at a time. */
const atOnce = 6;

/**
 * Tries every call that a capture of the VPC makes: as AWS's own dry run where the service has one, else its first page.
 * Nothing is written. Throws when there is no such VPC or when AWS cannot be reached.
 */
export async function checkAwsPermissions(
  vpcId: string,
  settings: AwsPermissionSettings = {},
): Promise<AwsPermission[]> {
  refuse("capture aws", accessProblems(vpcId, settings));
  const clients = makeClients(settings, () => undefined);
  try {
    await requireRegion(clients);
    const context = { clients, vpcId, region: await clients.region(), stop: { abortSignal: settings.signal } };
    const permissions: AwsPermission[] = [];
    for (const batch of batchesOf(captureActions, atOnce)) {
      permissions.push(...(await Promise.all(batch.map((action) => tryCall(action, context)))));
    }
    const mayRead = permissions.some(({ action, outcome }) => action === "ec2:DescribeVpcs" && outcome === "permitted");
    if (mayRead) await readVpc(clients, vpcId, settings.signal);
    return permissions;
  } finally {
    clients.close();
  }
}

async function tryCall(action: CaptureAction, context: ProbeContext): Promise<AwsPermission> {
  try {
    const nothing = await probes[action](context);
    if (nothing !== undefined) return { action, outcome: "untried", detail: nothing };
    return { action, outcome: "permitted", detail: "the first page was read" };
  } catch (error) {
    if (errorName(error) === "DryRunOperation")
      return { action, outcome: "permitted", detail: "AWS's dry run allows it" };
    // Whether a call may be made is decided before what it asks about is looked for.
    if (/^Invalid\w+(\.|$)/.test(errorName(error)))
      return { action, outcome: "permitted", detail: "AWS looked for what was asked about" };
    if (!isRefused(error)) throw accessFailure(error);
    return { action, outcome: "refused", detail: refusalReason(error) };
  }
}
