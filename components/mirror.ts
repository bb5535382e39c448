import type { IpProtocol } from "./topology";

/** Which traffic is meant; a field that is left out matches everything. Source is the client, destination the server. */
export interface TrafficSelector {
  sourceCidr?: string;
  destinationCidr?: string;
  protocol?: IpProtocol;
  /** Ports or ranges, for example `["443", "8000-8010"]`. */
  sourcePorts?: string[];
  /** Ports or ranges, for example `["443", "8000-8010"]`. */
  destinationPorts?: string[];
  /** Named signature (`http1`, `tls`, `dns`, `postgres`, `redis`, `ssh` …), recognised by the gateway. */
  application?: string;
  /**
   * Name of the server that a TLS client asks for (SNI), exact, or `*.example.com` for every name below example.com at
   * any depth; upper and lower case are the same. Matches TLS over TCP alone, read by the gateway from the flow's first
   * message. A client that names none does not match; one that encrypts the name (ECH) matches by the name in the open,
   * which is its provider's. Defaults to any, also none.
   */
  serverName?: string;
  /** Bytes as hexadecimal that the flow's client must send at `payloadOffset`. */
  payloadHex?: string;
  /** Where `payloadHex` starts in the first bytes of the flow. Defaults to 0. */
  payloadOffset?: number;
}

/** What is kept or dropped as a whole. */
export const SampleBy = { Flow: "flow", Client: "client", Header: "header" } as const;
export type SampleBy = (typeof SampleBy)[keyof typeof SampleBy];

/** Which share of live traffic the shadow gets. */
export interface MirrorSettings {
  /** Share of whole flows, 0–100, decimals allowed. Defaults to 100. */
  percent?: number;
  /** Seed of the choice. Defaults to 1. */
  seed?: number;
  /** What is kept or dropped as a whole. Defaults to flow. */
  sampleBy?: SampleBy;
  /** Traffic to copy. Defaults to everything that reaches edge services from outside. */
  include?: TrafficSelector[];
  /** Traffic never copied. Defaults to none. */
  exclude?: TrafficSelector[];
  /** Ceiling of mirrored traffic. Defaults to none. */
  maxMegabitsPerSecond?: number;
}
