import { type FidelityItem, FidelityOutcome } from "../../network";
import { droppedItem } from "../../shadowScaling";
import type { Topology } from "../../topology";
import { gatewayEndpointServices } from "../gateway/names";
import type { PlannedEndpoint, PlannedZone } from "./planTypes";

/** What instances need to be steered and to report, without any way to the internet. */
const neededServices = [...new Set(["ssm", "ssmmessages", "ec2messages", "logs", ...gatewayEndpointServices])].sort();

/** The endpoints of a shadow: interfaces in one zone, and the gateway endpoint of S3. */
export function planEndpoints(region: string): PlannedEndpoint[] {
  const serviceName = (service: string): string => `com.amazonaws.${region}.${service}`;
  return [
    ...neededServices.map((service) => ({ service, serviceName: serviceName(service), type: "Interface" })),
    { service: "s3", serviceName: serviceName("s3"), type: "Gateway" },
  ];
}

/** Which of production's endpoints the shadow has, with policies of its own, and which it does not. */
export function endpointItems(topology: Topology, endpoints: readonly PlannedEndpoint[]): FidelityItem[] {
  const own = new Set(endpoints.map(({ serviceName }) => serviceName));
  return (topology.aws?.endpoints ?? []).map(({ id, serviceName }) => {
    const subject = `endpoints/${id}`;
    if (!own.has(serviceName)) return droppedItem(subject, `${serviceName} is not reachable from the shadow`);
    const reason = `the shadow has its own endpoint of ${serviceName}, for its own roles only`;
    return { subject, outcome: FidelityOutcome.Substituted, reason };
  });
}

/** Names that the shadow's resolver answers: its zones, what AWS names in a VPC, and the endpoints. */
export function resolvableNames(
  zones: readonly PlannedZone[],
  endpoints: readonly PlannedEndpoint[],
  region: string,
): string[] {
  const suffix = region.startsWith("cn-") ? "amazonaws.com.cn" : "amazonaws.com";
  const internal = region === "us-east-1" ? "ec2.internal" : `${region}.compute.internal`;
  const services = endpoints.map(({ service }) => `${service}.${region}.${suffix}`);
  const own = zones.flatMap(({ name }) => [name, `*.${name}`]);
  const all = [...own, ...services, `*.s3.${region}.${suffix}`, `*.${internal}`, "*.in-addr.arpa"];
  return [...new Set(all)].sort();
}
