import type { NetworkInterface } from "@aws-sdk/client-ec2";

/** A thing that AWS runs inside the VPC, known by the interface that it has there. */
export interface ManagedThing {
  /** As in the topology's boundaries: `lambda`, `efs`, `elastiCache`, `eksControlPlane`, `ecsTask`, `rds`, `managedInterface`. */
  kind: string;
  /** What interfaces of the same thing have in common. */
  id: string;
  /** Names under which machines know it. */
  names?: string[];
  port?: number;
}

const rules: [pattern: RegExp, thing: (id: string, region: string) => ManagedThing][] = [
  [/^AWS Lambda VPC ENI-(.+?)(?:-[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12})?$/, (id) => ({ kind: "lambda", id })],
  [
    /^EFS mount target for (fs-[0-9a-f]+)/,
    (id, region) => ({ kind: "efs", id, names: [`${id}.efs.${region}.amazonaws.com`], port: 2049 }),
  ],
  [/^ElastiCache (\S+?)(?:-\d{3,4}){0,2}$/, (id) => ({ kind: "elastiCache", id })],
  [/^Amazon EKS (\S+)/, (id) => ({ kind: "eksControlPlane", id })],
  [/^(arn:aws[\w-]*:ecs:)/, () => ({ kind: "ecsTask", id: "ecs-tasks" })],
  [/^(RDSNetworkInterface)/, () => ({ kind: "rds", id: "rds" })],
];

/** Interfaces that belong to things which are captured as what they are. */
const elsewhere = /^(Interface for NAT Gateway|VPC Endpoint Interface|Network Interface for Transit Gateway|ELB )/;
const elsewhereTypes = ["nat_gateway", "vpc_endpoint", "gateway_load_balancer_endpoint", "transit_gateway"];
const balancerTypes = ["load_balancer", "network_load_balancer", "gateway_load_balancer"];

/** The managed thing that an interface belongs to; undefined when it is a machine's or a balancer's, or idle. */
export function managedThing(card: NetworkInterface, region: string): ManagedThing | undefined {
  const { Description = "", InterfaceType = "interface", Attachment, RequesterManaged, RequesterId } = card;
  if (Attachment?.InstanceId !== undefined || elsewhere.test(Description)) return undefined;
  if ([...elsewhereTypes, ...balancerTypes].includes(InterfaceType)) return undefined;
  for (const [pattern, thing] of rules) {
    const id = pattern.exec(Description)?.[1];
    if (id !== undefined) return thing(id, region);
  }
  if (RequesterManaged !== true) return undefined;
  return { kind: "managedInterface", id: RequesterId ?? InterfaceType };
}

/** Name of the classic load balancer that an interface belongs to. */
export function classicBalancer({ Description = "", RequesterId }: NetworkInterface): string | undefined {
  if (RequesterId !== "amazon-elb") return undefined;
  return /^ELB ([^/]+)$/.exec(Description)?.[1];
}

/** The load balancer that an interface belongs to, as its ARN ends: `app/shop/0123456789abcdef`. */
export function balancerOf({ Description = "" }: NetworkInterface): string | undefined {
  return /^ELB ((?:app|net|gwy)\/.+)$/.exec(Description)?.[1];
}
