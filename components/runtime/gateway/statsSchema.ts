import { z } from "zod";

const count = z.number().int().nonnegative();
const byCause = z.record(z.string(), count);
const quantile = z.number().nullable();

/**
 * Content of `stats.json`: everything counts from the start of the process. `requests.onWire` is exactly
 * `replayed + lostByMirror + Σ unusable + Σ shed`.
 */
export const gatewayStatsSchema = z.object({
  /** When this was written, milliseconds since 1970. */
  time: z.number(),
  startedAt: z.number(),
  intake: z.object({
    open: z.boolean(),
    /** Encapsulated packets taken from the socket while the intake was open, and their bytes. */
    packets: count,
    bytes: count,
    /** Packets that came while the intake was closed; they were thrown away unread. */
    refusedWhileClosed: count,
    /** Packets that the kernel dropped because the socket's buffer was full; null where the kernel does not say. */
    kernelDrops: count.nullable(),
    /**
     * Packets of flows that are not sampled and that the kernel's filter left out before they were copied; they are in no
     * other counter. Absent without such a filter.
     */
    prefiltered: count.optional(),
    receiveBufferBytes: z.object({ asked: count, granted: count }),
    /** `batched`: many packets for one system call, stamped by the kernel; `datagram`: one by one. Absent for TCP. */
    receiver: z.enum(["batched", "datagram"]).optional(),
    /** Packets that could not be decoded, by cause. */
    malformed: byCause,
    /** Copies that the mirror cut short. */
    truncated: count,
    /** Packets of protocols that the gateway does not carry (not IP, not TCP or UDP, other network identifiers). */
    ignored: count,
  }),
  selection: z.object({
    flowsSeen: count,
    flowsSelected: count,
    /** By include and exclude selectors, or because `to` names no shadow address for the server. */
    flowsExcluded: count,
    flowsSampledOut: count,
    /** Packets of selected flows. */
    packetsSelected: count,
    /** Those of them that a recording was asked for and does not have, because the disk was too slow or could not be written. */
    packetsUnrecorded: count,
  }),
  flows: z.object({
    open: count,
    tcp: count,
    udp: count,
    /** Already open when mirroring began and picked up at a message boundary. */
    pickedUpMidStream: count,
    /** Selected, yet not carried from some point on: no boundary is known to resume at. */
    uncovered: count,
    /** Shed whole, by cause. */
    shed: byCause,
    resumedAfterLoss: count,
    reorderedSegments: count,
    retransmittedSegments: count,
    overlapConflicts: count,
    /** Packets with the addresses and ports of a flow that are none of its connection, resets that it refuses among them. */
    strayPackets: count,
    holes: count,
    holeBytes: count,
    /** Held now: parts of requests, what waits to be sent, segments behind holes, and content of responses to be compared. */
    heldBytes: count,
  }),
  requests: z.object({
    onWire: count,
    /** Sent to the shadow whole, or tried to: each has a sample that says how it ended. */
    replayed: count,
    lostByMirror: count,
    /** The part of `lostByMirror` that is not counted but estimated from bytes: both directions had holes at once. */
    lostEstimated: count,
    /**
     * `startedBefore`: under way when mirroring began. `incomplete`: never finished by the client. `malformed`,
     * `ambiguousFraming`: not to be read. `noBoundary`: after a hole, no place to go on is known. `sessionLost`: the
     * shadow lacks the login that it needs, or does not know what only live's server could give out. `intakeClosed`, `gatewayStopped`.
     */
    unusable: byCause,
    shed: byCause,
    /**
     * The part of `shed` that is judged by what single segments show, because the connection was over a bound (`flows`,
     * `descriptors`, `tableFull`) from its beginning.
     */
    shedEstimated: count,
    /** Replayed requests to which the shadow gave a complete response. */
    answered: count,
    /** Replayed requests by what went wrong in the shadow: timeout, refused, reset, closed, unreachable. */
    failed: byCause,
    /** replayed / onWire; 1 when nothing was on the wire. */
    coverage: z.number(),
    /**
     * replayed / (onWire + intake.kernelDrops): each packet that the kernel dropped for want of room is taken for a
     * request that nobody saw. `null` when the kernel does not say how many it dropped.
     */
    coverageAtLeast: z.number().nullable(),
  }),
  replay: z.object({
    connections: count,
    openConnections: count,
    /** Connections that replaced one that the shadow ended or that had stopped answering. */
    reconnections: count,
    /** Connections from another port than the client's because that one was taken. */
    sourcePortTaken: count,
    /** Connections that were reset because live's client had reset its own. */
    clientResets: count,
    errors: byCause,
    /** What was not passed on byte for byte on HTTP/2 connections, because the shadow's connection is one of its own. */
    http2: z.object({
      /** Header blocks written out, because the shadow does not have the tables that they refer to. */
      headersRewritten: count,
      /** Frames of data cut to what the shadow's window took. */
      framesSplit: count,
      /** Times that a connection waited for the shadow to open a window, or to end a request before it takes another. */
      stalls: count,
      /** Windows opened for the shadow beyond what live's client opened. */
      windowsOpened: count,
      /** Connections on which live and shadow differ in their settings. */
      settingsDiffer: count,
      /** Requests that went in parts and were reset in the shadow, because the rest did not come or could not be sent. */
      halvesReset: count,
    }),
    /** What the substitution of tokens did. */
    tokens: z.object({
      /** Tokens that live issued. */
      learned: count,
      substituted: count,
      /** Requests that waited until the shadow had answered the exchange that issued their token. */
      held: count,
      /** Tokens in requests for which the shadow's answer had nothing in that place; they went as they were. */
      unmatched: count,
    }),
    lagMilliseconds: z.object({ p50: quantile, p99: quantile }),
  }),
  compare: z.object({
    /** Exchanges with a complete response on both sides. */
    paired: count,
    equal: count,
    different: count,
    /** Turns that are not compared, because their client went on before it had the whole answer. */
    overlapping: count,
    /** How often each JSON field differed. */
    fieldPaths: byCause,
    /** Differing JSON whose fields were not compared, because it was longer than 256 KiB or too much was held already. */
    fieldsNotKept: count,
    /** Exchanges whose live response the mirror lost or that live never answered. */
    liveIncomplete: count,
    /** Exchanges that are not in the file of samples, because the disk did not take their lines. */
    samplesUnwritten: count,
  }),
  process: z.object({ residentBytes: count, cpuMicroseconds: count }),
});

/** The gateway's counters, as in `stats.json` and in `GET /stats`. */
export type GatewayStats = z.infer<typeof gatewayStatsSchema>;

/** The schema of `stats.json` for other programs, as JSON Schema; `docs/gateway-stats.schema.json` is a copy of it. */
export function gatewayStatsJsonSchema(): Record<string, unknown> {
  return { ...z.toJSONSchema(gatewayStatsSchema), title: "shadownet gateway, stats.json" };
}
