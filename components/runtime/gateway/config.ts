import type { SampleBy, TrafficSelector } from "../../mirror";

/** Configuration of one gateway process, as a JSON file; SIGHUP reloads it. */
export interface GatewayConfig {
  /** `vxlan:ADDRESS:PORT`, `geneve:ADDRESS:PORT` or `tcp:ADDRESS:PORT`. */
  intake: string;
  /** VXLAN network identifier to accept. Defaults to any. */
  vni?: number;
  /** Live server `address:port` to shadow `address:port`. Defaults to the same address. */
  to?: Record<string, string>;
  /** Share of whole flows, 0–100. Defaults to 100. */
  percent?: number;
  /** Seed of the choice. Defaults to 1. */
  seed?: number;
  /** Defaults to flow. */
  sampleBy?: SampleBy;
  include?: TrafficSelector[];
  exclude?: TrafficSelector[];
  /** `original`: connect from the client's own address and port; `any`: the kernel chooses. Defaults to any. */
  source?: "original" | "any";
  /** File that holds the counters, rewritten every second. */
  stats: string;
  /** File that gets one line per exchange. */
  samples: string;
  /** Unix socket for control: `GET /stats`, `PUT /intake {"open": true}`. Defaults to none. */
  control?: string;
  /** True when the intake starts closed, to be opened through the control socket. Defaults to false. */
  startClosed?: boolean;
  /** A shadow response that has not ended after this is a timeout. Defaults to 10. */
  responseTimeoutSeconds?: number;
}
