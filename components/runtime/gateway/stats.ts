import type { GatewayStats } from "./statsSchema";

export type { GatewayStats } from "./statsSchema";

/** One place for all counters of one gateway. */
export function newStats(startedAt: number): GatewayStats {
  return {
    time: startedAt,
    startedAt,
    intake: {
      open: false,
      packets: 0,
      bytes: 0,
      refusedWhileClosed: 0,
      kernelDrops: null,
      receiveBufferBytes: { asked: 0, granted: 0 },
      malformed: {},
      truncated: 0,
      ignored: 0,
    },
    selection: {
      flowsSeen: 0,
      flowsSelected: 0,
      flowsExcluded: 0,
      flowsSampledOut: 0,
      packetsSelected: 0,
      packetsUnrecorded: 0,
    },
    flows: {
      open: 0,
      tcp: 0,
      udp: 0,
      pickedUpMidStream: 0,
      uncovered: 0,
      shed: {},
      resumedAfterLoss: 0,
      reorderedSegments: 0,
      retransmittedSegments: 0,
      overlapConflicts: 0,
      strayPackets: 0,
      holes: 0,
      holeBytes: 0,
      heldBytes: 0,
    },
    requests: {
      onWire: 0,
      replayed: 0,
      lostByMirror: 0,
      lostEstimated: 0,
      unusable: {},
      shed: {},
      shedEstimated: 0,
      answered: 0,
      failed: {},
      coverage: 1,
      coverageAtLeast: null,
    },
    replay: {
      connections: 0,
      openConnections: 0,
      reconnections: 0,
      sourcePortTaken: 0,
      clientResets: 0,
      errors: {},
      http2: { headersRewritten: 0, framesSplit: 0, stalls: 0, windowsOpened: 0, settingsDiffer: 0, halvesReset: 0 },
      tokens: { learned: 0, substituted: 0, held: 0, unmatched: 0 },
      lagMilliseconds: { p50: null, p99: null },
    },
    compare: {
      paired: 0,
      equal: 0,
      different: 0,
      overlapping: 0,
      fieldPaths: namedByOthers(),
      fieldsNotKept: 0,
      liveIncomplete: 0,
      samplesUnwritten: 0,
    },
    process: { residentBytes: 0, cpuMicroseconds: 0 },
  };
}

/** Counters whose names come from traffic: `constructor` is one like any other. */
function namedByOthers(): Record<string, number> {
  return Object.create(null) as Record<string, number>;
}

/** Adds to a counter that is named by its cause. */
export function bump(counters: Record<string, number>, cause: string, by = 1): void {
  counters[cause] = (counters[cause] ?? 0) + by;
}

/**
 * The parts of `requests` summed up: what was on the wire, and the share that was replayed. Packets that the kernel
 * dropped are in no part, because nothing tells what they carried; the lower bound takes each of them for a request.
 */
export function sumRequests({ requests, intake: { kernelDrops } }: GatewayStats): void {
  const sum = (counters: Record<string, number>): number => Object.values(counters).reduce((a, b) => a + b, 0);
  requests.onWire = requests.replayed + requests.lostByMirror + sum(requests.unusable) + sum(requests.shed);
  const share = (whole: number): number => (whole === 0 ? 1 : requests.replayed / whole);
  requests.coverage = share(requests.onWire);
  requests.coverageAtLeast = kernelDrops === null ? null : share(requests.onWire + kernelDrops);
}
