import { ExitCode, ShadownetError } from "../../internal/problems";

const notPermitted = ["UnauthorizedOperation", "AccessDenied", "AccessDeniedException", "AuthorizationError"];
const notOffered = [
  "UnsupportedOperation",
  "InvalidAction",
  "UnknownOperationException",
  "OperationNotSupported",
  "UnsupportedOperationException",
  "NotImplemented",
  "OptInRequired",
  "NoSuchHostedZone",
  "ListenerNotFound",
  "TargetGroupNotFound",
];
const badCredentials = [
  "AuthFailure",
  "ExpiredToken",
  "ExpiredTokenException",
  "RequestExpired",
  "InvalidClientTokenId",
  "UnrecognizedClientException",
  "SignatureDoesNotMatch",
  "InvalidAccessKeyId",
];

/** What the SDK throws, as far as it is looked at. */
interface SdkError {
  name: string;
  message: string;
  Code?: string;
  code?: string;
  $metadata?: { httpStatusCode?: number; attempts?: number };
}

/** The stable name of an error of the SDK. */
export function errorName(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { name, Code, code } = error as SdkError;
  return Code ?? (name === "Error" ? (code ?? name) : name);
}

/** Whether a call was answered, but with the word that it may not be made or is not offered: the rest can go on. */
export function isRefused(error: unknown): boolean {
  const name = errorName(error).replace(/Exception$/, "");
  const { $metadata } = error as SdkError;
  const known = [...notPermitted, ...notOffered].some((word) => word.replace(/Exception$/, "") === name);
  return known || $metadata?.httpStatusCode === 501;
}

/** Why a call was refused, in words. */
export function refusalReason(error: unknown): string {
  const name = errorName(error);
  const action = /perform:? ([a-z0-9-]+:[A-Za-z]+)/.exec((error as Error).message)?.[1];
  if (notPermitted.includes(name))
    return action === undefined ? `not permitted (${name})` : `not permitted to call ${action}`;
  return `the service refused (${name})`;
}

/** The error that the user sees when nothing gives credentials. */
export function noCredentials(profile: string | undefined, cause: Error): ShadownetError {
  const from = profile === undefined ? "" : ` from profile "${profile}"`;
  const cure =
    profile === undefined
      ? "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile with --profile"
      : "`aws configure list-profiles` names the profiles that there are; sign in if it needs that";
  return refused("no-credentials", `there are no usable AWS credentials${from}: ${cause.message}; ${cure}`, cause);
}

/** The error that the user sees when AWS cannot be talked to; others are handed on as they are. */
export function accessFailure(error: unknown): unknown {
  const name = errorName(error);
  if (error instanceof ShadownetError || !(error instanceof Error)) return error;
  if (badCredentials.includes(name)) {
    const cure = "sign in again, and check that the region is enabled for the account";
    return refused("bad-credentials", `AWS does not accept the credentials (${name}); ${cure}`, error);
  }
  if (name === "ENOTFOUND" || name === "EAI_AGAIN") {
    const cure = "is it a region, and is there a network?";
    return refused("no-endpoint", `AWS cannot be reached at ${hostOf(error)}: its name is not known; ${cure}`, error);
  }
  if (["ECONNREFUSED", "ECONNRESET", "EHOSTUNREACH", "ENETUNREACH", "TimeoutError", "ETIMEDOUT"].includes(name)) {
    return refused("no-connection", `AWS cannot be reached (${name}): ${error.message}`, error);
  }
  return error;
}

function hostOf(error: Error): string {
  return (error as Error & { hostname?: string }).hostname ?? "its address";
}

function refused(code: string, message: string, cause: Error): ShadownetError {
  return new ShadownetError(code, message, ExitCode.NotPossibleHere, { cause });
}
