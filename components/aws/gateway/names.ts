import { createHash } from "node:crypto";

/**
 * Services whose interface endpoints the gateways need: their settings, their metrics, and attaching the zone's standing
 * interface. Beside them they need the gateway endpoint of `s3`, for the archive in {@link gatewayBucketName}.
 */
export const gatewayEndpointServices = ["ssm", "monitoring", "ec2"] as const;

/** Ports of a gateway: what the load balancer sends to, what production's mirror sends to, and the health check. */
export const gatewayPorts = { geneve: 6081, vxlan: 4789, health: 9464 } as const;

/** Name of the bucket that holds the gateways' archive; unique in the world because the account is in it. */
export function gatewayBucketName(shadowName: string, accountId: string, region: string): string {
  return `shadownet-${accountId}-${digest(`${region}/${shadowName}`)}`;
}

/** Path of the parameters that steer a mirror's gateways: `…/settings` and `…/intake`. */
export function parameterPath(shadowName: string, mirror: string): string {
  return `/shadownet/${shadowName}/${mirror}`;
}

/** What `…/intake` may say; it starts closed and is opened when nothing could leave the shadow. */
export const IntakeCommand = { Open: "open", Closed: "closed" } as const;
export type IntakeCommand = (typeof IntakeCommand)[keyof typeof IntakeCommand];

function digest(text: string): string {
  return createHash("sha256").update(text).digest("hex").slice(0, 16);
}
