import { beginsRequest, beginsResponse } from "../compare/http1";
import { endpointKey } from "../endpointKey";
import { Flag, type Packet } from "../intake/packet";
import type { Endpoint } from "../replay/shadowConnection";
import { bump } from "../stats";
import { goesOnFrom } from "./belonging";
import type { FlowShared } from "./flowShared";
import { clientHash, flowHash, isSampled } from "./jhash";
import { PastConnections } from "./pastConnections";
import type { FlowTuple, Selection } from "./selectors";
import { recogniseDatagram } from "./signatures";
import { TcpFlow } from "./tcpFlow";
import { endpointOf, isFromClient, isOfFlow, packetKey, tupleOf } from "./tuples";
import { ShedFlow } from "./shedFlow";
import { UdpFlow } from "./udpFlow";

const tcp = 6;
const ignoredIdleMilliseconds = 60_000;

/** How flows are chosen; replaced as a whole when the configuration is read again. */
export interface FlowChoice {
  percent: number;
  seed: number;
  sampleBy: "flow" | "client";
  /** Live `address:port` to the shadow's; empty when the shadow has live's addresses. */
  targets: Map<string, Endpoint>;
  keepSource: boolean;
  /** Clients for which the gateway's own address is used although sources are kept; undefined when there are none. */
  ownAddressFor: Selection | undefined;
}

interface Entry {
  tuple: FlowTuple;
  vni: number;
  next: Entry | undefined;
  /** Undefined for a flow that is not carried, or no longer. */
  flow: TcpFlow | UdpFlow | undefined;
  /** It was carried to its end; what still comes belongs to it and changes nothing. */
  finished: boolean;
  /** Counts the requests of a flow that would be carried and is not. */
  shed: ShedFlow | undefined;
  lastSeen: number;
  /** Selectors look at what the client says in datagrams, and it has said nothing yet. */
  awaitsClient: boolean;
  /** Sequence number of the SYN that opened the connection; -1 when none was seen. */
  synSequence: number;
  /**
   * That of a SYN which was sent, or answered, while the connection was open. The server may refuse it, and the answer may be
   * an old one; -1 when there is none.
   */
  newSyn: number;
  /** Those that were carried here before; undefined when there were none. */
  past: PastConnections | undefined;
  /** The last of them ended by its silence, and may still be there. */
  lapsed: boolean;
}

/** Finds the flow of each packet, decides which flows are carried, and keeps within the bounds. */
export class FlowTable {
  private readonly buckets = new Map<number, Entry>();
  private readonly carried = new Set<TcpFlow | UdpFlow>();
  private entries = 0;
  /** All flows for which the table has no room. */
  private readonly unkept: ShedFlow;

  constructor(
    private readonly shared: FlowShared,
    public choice: FlowChoice,
  ) {
    this.unkept = new ShedFlow(shared.stats, "tableFull", false);
  }

  /** Flows that are carried now. */
  get size(): number {
    return this.carried.size;
  }

  /**
   * Takes one decoded packet; its frame, bytes `start`–`end` of the same memory, is recorded where that is asked for and
   * the flow is carried.
   */
  handle(packet: Packet, truncated: boolean, start: number, end: number): void {
    const key = packetKey(packet);
    let entry = this.buckets.get(key);
    while (entry !== undefined && (entry.vni !== packet.vni || !isOfFlow(entry.tuple, packet))) entry = entry.next;
    const opens = packet.protocol === tcp && (packet.flags & (Flag.Syn | Flag.Ack | Flag.Rst)) === Flag.Syn;
    const silent = packet.protocol === tcp && packet.payloadLength === 0 && (packet.flags & Flag.Syn) === 0;
    let belongs = true;
    if (entry === undefined) {
      if (silent) return;
      entry = this.add(key, packet, opens);
    } else belongs = this.follow(entry, packet, opens, silent);
    entry.lastSeen = packet.time;
    const { flow } = entry;
    if (flow === undefined && !entry.finished) {
      entry.shed?.take(packet, isFromClient(entry.tuple, packet));
      return;
    }
    if (flow?.standing === "leftOut") return;
    if (belongs) flow?.handle(packet, isFromClient(entry.tuple, packet), truncated);
    this.keep(flow, packet, start, end);
    if (this.heldBytes > this.shared.limits.totalBytes) this.shedNewest();
  }

  /** Bytes of requests and of responses that are held now. */
  get heldBytes(): number {
    return this.shared.memory.used + this.shared.log.bodies.used;
  }

  /** Counts and records a packet, as soon as it is known that its flow is carried. */
  private keep(flow: TcpFlow | UdpFlow | undefined, packet: Packet, start: number, end: number): void {
    const { recorder, stats } = this.shared;
    const standing = flow?.standing ?? "carried";
    if (standing === "leftOut") return;
    const bytes = recorder === undefined ? undefined : packet.buffer.subarray(start, end);
    if (standing === "undecided") (flow as TcpFlow).hold(bytes, packet.time);
    else {
      stats.selection.packetsSelected++;
      if (bytes !== undefined) recorder!.write(bytes, packet.time);
    }
  }

  /** Ends what is over or idle; called about ten times a second. */
  tick(now: number): void {
    for (const flow of this.carried) {
      flow.tick(now);
      if (!flow.over && now - flow.lastSeen > this.shared.limits.idleTimeoutMilliseconds) this.lapse(flow, now);
      if (flow.over && (flow instanceof UdpFlow || flow.shadow.idle)) {
        this.carried.delete(flow);
        this.shared.memory.used -= flow.memory;
      }
    }
    this.shared.stats.flows.open = this.carried.size;
  }

  /** Forgets the entries of flows that are long gone; called about once a second. */
  forgetIdle(now: number): void {
    for (const [key, first] of this.buckets) {
      let kept: Entry | undefined;
      for (let entry: Entry | undefined = first; entry !== undefined;) {
        const { next }: Entry = entry;
        if (entry.flow?.over === true && !this.carried.has(entry.flow)) this.retire(entry, entry.flow);
        const idle = now - entry.lastSeen > ignoredIdleMilliseconds;
        if (idle && entry.flow === undefined) this.entries--;
        else {
          entry.next = kept;
          kept = entry;
        }
        entry = next;
      }
      if (kept === undefined) this.buckets.delete(key);
      else this.buckets.set(key, kept);
    }
  }

  /** Ends every flow; what was sent may still be answered. */
  closeAll(now: number, cause: string): void {
    for (const flow of this.carried) if (!flow.over) this.end(flow, now, cause);
    this.buckets.clear();
    this.entries = 0;
  }

  /** Closes every connection to the shadow. */
  abort(): void {
    for (const flow of this.carried) {
      if (flow instanceof TcpFlow) flow.shadow.close("timeout");
      else flow.close();
      this.shared.memory.used -= flow.memory;
    }
    this.carried.clear();
  }

  private lapse(flow: TcpFlow | UdpFlow, now: number): void {
    this.end(flow, now);
    if (flow instanceof TcpFlow) flow.hasLapsed = true;
  }

  private end(flow: TcpFlow | UdpFlow, now: number, cause = "incomplete"): void {
    if (flow instanceof TcpFlow) flow.close("timeout", cause, now);
    else flow.close();
  }

  private add(key: number, packet: Packet, opens: boolean): Entry {
    const tuple = tupleOf(packet, this.clientSends(packet));
    const entry: Entry = {
      tuple,
      vni: packet.vni,
      next: this.buckets.get(key),
      flow: undefined,
      finished: false,
      shed: undefined,
      lastSeen: packet.time,
      awaitsClient: false,
      synSequence: opens ? packet.sequence : -1,
      newSyn: -1,
      past: undefined,
      lapsed: false,
    };
    if (this.entries >= this.shared.limits.flows * 4) {
      if (opens) bump(this.shared.stats.flows.shed, "tableFull");
      entry.shed = this.unkept;
      return entry;
    }
    this.buckets.set(key, entry);
    this.entries++;
    this.decide(entry, packet);
    return entry;
  }

  /** Follows a flow's addresses and ports from one connection to the next; false when a packet is of neither. */
  private follow(entry: Entry, packet: Packet, opens: boolean, silent: boolean): boolean {
    if (packet.protocol !== tcp) this.goOn(entry, packet);
    else if (opens && entry.synSequence !== packet.sequence) return this.takesSyn(entry, packet);
    else if (entry.flow instanceof TcpFlow && !entry.flow.over) return this.belongs(entry, entry.flow, packet);
    else if (!silent) return this.comesAfter(entry, packet);
    return true;
  }

  /** A SYN with another number opens a new connection, but where one is open its server may refuse it. */
  private takesSyn(entry: Entry, packet: Packet): boolean {
    const { flow } = entry;
    if (flow instanceof TcpFlow && !flow.over) {
      if (!isFromClient(entry.tuple, packet)) {
        if (flow.streams.belonging.awaitsServer) return true;
      } else if (entry.synSequence !== -1 || !flow.streams.belonging.awaitsSyn(packet, flow.lastSeen)) {
        entry.newSyn = packet.sequence;
        return false;
      } else {
        entry.synSequence = packet.sequence;
        return true;
      }
    }
    entry.tuple = tupleOf(packet, true);
    this.reopen(entry, packet, packet.sequence);
    return true;
  }

  /** Whether a packet is to be given to its open flow, or to the one that has taken its place. */
  private belongs(entry: Entry, flow: TcpFlow, packet: Packet): boolean {
    const fromClient = isFromClient(entry.tuple, packet);
    if (entry.past?.said(packet, fromClient) === true) {
      this.shared.stats.flows.strayPackets++;
      return false;
    }
    if (entry.newSyn !== -1 && goesOnFrom(entry.newSyn, packet, fromClient)) {
      this.reopen(entry, packet, entry.newSyn);
      return true;
    }
    const belief = flow.streams.belonging.judge(packet, fromClient);
    if (belief === "another") {
      entry.newSyn = (packet.acknowledgement - 1) >>> 0;
      return false;
    }
    const first = flow.streams.belonging.takeConfirmed();
    if (belief === "replaced") this.reopen(entry, first ?? packet, -1);
    if (first !== undefined) (entry.flow as TcpFlow | undefined)?.handle(first, isFromClient(entry.tuple, first));
    if (belief === "doubted" || entry.newSyn !== -1) this.shared.stats.flows.strayPackets++;
    if (belief !== "doubted") entry.newSyn = -1;
    return belief !== "doubted";
  }

  /**
   * Where a connection is over, what is said comes late of it, or is the first that is seen of another one, or of itself
   * when it has only lapsed; false when it comes late.
   */
  private comesAfter(entry: Entry, packet: Packet): boolean {
    if (entry.flow instanceof TcpFlow) this.retire(entry, entry.flow);
    const fromClient = isFromClient(entry.tuple, packet);
    const begins = fromClient || entry.lapsed || (packet.flags & Flag.Syn) !== 0;
    if (!entry.finished || !begins || (packet.flags & Flag.Rst) !== 0) return true;
    if (entry.past?.maySay(packet, fromClient) === true) {
      this.shared.stats.flows.strayPackets++;
      return false;
    }
    this.reopen(entry, packet, -1);
    return true;
  }

  /** A flow is over, and not needed any more to tell its packets. */
  private retire(entry: Entry, flow: TcpFlow | UdpFlow): void {
    entry.flow = undefined;
    entry.finished = flow.standing === "carried";
    if (!entry.finished || !(flow instanceof TcpFlow)) return;
    entry.lapsed = flow.hasLapsed;
    entry.past ??= new PastConnections();
    entry.past.add(flow.streams.past(flow.hasLapsed));
  }

  /** Another connection on the same addresses and ports: the old one is over. */
  private reopen(entry: Entry, packet: Packet, synSequence: number): void {
    if (entry.flow instanceof TcpFlow) {
      entry.flow.close("closed", "incomplete", packet.time);
      this.retire(entry, entry.flow);
    }
    entry.synSequence = synSequence;
    entry.newSyn = -1;
    entry.flow = undefined;
    entry.finished = false;
    entry.shed = undefined;
    this.decide(entry, packet);
  }

  /** Another datagram of a known flow. */
  private goOn(entry: Entry, packet: Packet): void {
    if (hasLapsed(entry)) this.reopen(entry, packet, -1);
    else if (entry.awaitsClient && isFromClient(entry.tuple, packet)) this.choose(entry, packet);
  }

  private decide(entry: Entry, packet: Packet): void {
    const { stats, selection } = this.shared;
    stats.selection.flowsSeen++;
    const serverFirst = packet.protocol !== tcp && !isFromClient(entry.tuple, packet);
    entry.awaitsClient = serverFirst && selection.choose(entry.tuple, undefined) === "maybe";
    if (!entry.awaitsClient) this.choose(entry, packet);
  }

  private choose(entry: Entry, packet: Packet): void {
    const { stats, selection, limits } = this.shared;
    const { tuple } = entry;
    entry.awaitsClient = false;
    const opening =
      tuple.protocol === tcp
        ? undefined
        : {
            application: recogniseDatagram(packet.buffer.subarray(packet.payloadStart, packet.payloadEnd)),
            client: packet.buffer.subarray(packet.payloadStart, packet.payloadEnd),
            serverName: undefined,
            final: true,
          };
    const chosen = selection.choose(tuple, opening);
    const server = endpointOf(tuple, false);
    const target = this.choice.targets.size === 0 ? server : this.choice.targets.get(endpointKey(server));
    if (chosen === "no" || target === undefined) {
      stats.selection.flowsExcluded++;
      return;
    }
    if (!this.isSampled(packet, !isFromClient(tuple, packet))) {
      stats.selection.flowsSampledOut++;
      return;
    }
    if (this.carried.size >= Math.min(limits.flows, limits.descriptors)) {
      stats.selection.flowsSelected++;
      const cause = this.carried.size >= limits.flows ? "flows" : "descriptors";
      entry.shed = new ShedFlow(stats, cause, true);
      bump(stats.flows.shed, cause);
      return;
    }
    entry.flow = this.open(entry, target, chosen === "maybe", opening?.application === "dns", packet);
    this.carried.add(entry.flow);
    stats.flows.open = this.carried.size;
  }

  private open(entry: Entry, target: Endpoint, undecided: boolean, dns: boolean, first: Packet): TcpFlow | UdpFlow {
    const { tuple } = entry;
    const client = endpointOf(tuple, true);
    const { keepSource, ownAddressFor } = this.choice;
    const source = keepSource && ownAddressFor?.choose(tuple, undefined) !== "yes" ? client : undefined;
    const protocol = tuple.protocol === tcp ? "tcp" : "udp";
    const label = `${protocol} ${endpointKey(client)}>${endpointKey(endpointOf(tuple, false))}`;
    if (tuple.protocol !== tcp) return new UdpFlow(this.shared, label, target, source, dns);
    const midStream = entry.synSequence === -1 && (first.flags & Flag.Syn) === 0;
    return new TcpFlow(this.shared, label, tuple, midStream, target, source, undecided);
  }

  private isSampled(packet: Packet, reversed: boolean): boolean {
    const { percent, seed, sampleBy } = this.choice;
    if (percent >= 100) return true;
    const hash = sampleBy === "client" ? clientHash(packet, reversed, seed) : flowHash(packet, reversed, seed);
    return isSampled(hash, percent);
  }

  /** Whether the packet's sender is the client of a flow that is not known yet. */
  private clientSends(packet: Packet): boolean {
    if ((packet.flags & Flag.Syn) !== 0) return (packet.flags & Flag.Ack) === 0;
    const { targets } = this.choice;
    if (targets.size > 0) {
      const forward = targets.has(endpointKey(endpointOf(tupleOf(packet, true), false)));
      const backward = targets.has(endpointKey(endpointOf(tupleOf(packet, false), false)));
      if (forward !== backward) return forward;
    }
    if (packet.protocol === tcp) {
      if (beginsRequest(packet.buffer, packet.payloadStart, packet.payloadEnd)) return true;
      if (beginsResponse(packet.buffer, packet.payloadStart, packet.payloadEnd)) return false;
    }
    const { selection } = this.shared;
    const forward = selection.choose(tupleOf(packet, true), undefined) !== "no";
    const backward = selection.choose(tupleOf(packet, false), undefined) !== "no";
    if (forward !== backward) return forward;
    return packet.protocol === tcp ? packet.destinationPort < packet.sourcePort : true;
  }

  /** Too many flows: the youngest ones that hold bytes are shed whole. */
  private shedNewest(): void {
    const target = this.shared.limits.totalBytes * 0.9;
    for (const flow of [...this.carried].reverse()) {
      if (this.heldBytes <= target) return;
      if (flow.memory > 0) flow.shed("totalBytes");
    }
  }
}

/** Whether a flow of datagrams has ended by its silence. */
function hasLapsed({ flow, finished }: Entry): boolean {
  return flow === undefined ? finished : flow instanceof UdpFlow && flow.hasLapsed;
}
