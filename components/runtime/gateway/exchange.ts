/** One side of an exchange; times are milliseconds since 1970 with decimals. */
export interface ExchangeSide {
  /** First byte of the request; of a turn, its last one. */
  start: number;
  /** First byte of the response. */
  firstByte?: number;
  /** Last byte of the response. */
  end?: number;
  /** HTTP status where the protocol has one. */
  status?: number;
  /** What gRPC calls its status, which comes behind the content. */
  grpcStatus?: number;
  /** Length of the response's content in bytes, without its framing. */
  bytes?: number;
  /** First 32 hexadecimal digits of the SHA-256 of the response's content. */
  digest?: string;
  /** Why there is no complete response: `timeout`, `refused`, `reset`, `closed`, `unreachable`, `malformed`, `lost`. */
  error?: string;
}

/** One line of samples.ndjson: what live answered and what the shadow answered to the same request. */
export interface ExchangeSample {
  /** `tcp 203.0.113.7:40123>10.80.1.11:80`. */
  flow: string;
  /** Position within the flow, from 0. */
  index: number;
  /** `http1`, `http2`, `raw`, `udp`. */
  protocol: string;
  method?: string;
  path?: string;
  live: ExchangeSide;
  shadow: ExchangeSide;
  /** The client went on before it had the whole answer: which bytes answer which turn is a matter of time, so that they are not compared. */
  overlapping?: true;
  /** Whether status and content agree; left out when one side has no complete response. */
  equal?: boolean;
  /** Paths of JSON fields that differ. */
  differences?: string[];
  /** How late the shadow's request was sent, against the live spacing. */
  lagMilliseconds: number;
}
