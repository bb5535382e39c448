import { formatAddress } from "../../../internal/cidr";
import type { Packet } from "../intake/packet";
import type { Endpoint } from "../replay/shadowConnection";
import type { FlowTuple } from "./selectors";

/** The same number for both directions of a flow. */
export function packetKey(p: Packet): number {
  const source = mix(p.s0 ^ p.s1 ^ p.s2 ^ p.s3 ^ Math.imul(p.sourcePort, 0x9e3779b1));
  const destination = mix(p.d0 ^ p.d1 ^ p.d2 ^ p.d3 ^ Math.imul(p.destinationPort, 0x9e3779b1));
  return ((source + destination) ^ p.vni ^ p.protocol) & 0x3fffffff;
}

function mix(value: number): number {
  const first = Math.imul(value ^ (value >>> 16), 0x85ebca6b);
  return Math.imul(first ^ (first >>> 13), 0xc2b2ae35) | 0;
}

/** Whether a packet is of a flow, in either direction. */
export function isOfFlow(tuple: FlowTuple, packet: Packet): boolean {
  if (tuple.protocol !== packet.protocol || tuple.family !== packet.family) return false;
  return isFromClient(tuple, packet) || isFromServer(tuple, packet);
}

/** Whether a packet goes from the client's address and port to the server's. */
export function isFromClient(tuple: FlowTuple, p: Packet): boolean {
  const { client, server } = tuple;
  return (
    tuple.clientPort === p.sourcePort &&
    tuple.serverPort === p.destinationPort &&
    client[3] === p.s3 &&
    server[3] === p.d3 &&
    (tuple.family === 4 ||
      (client[0] === p.s0 &&
        client[1] === p.s1 &&
        client[2] === p.s2 &&
        server[0] === p.d0 &&
        server[1] === p.d1 &&
        server[2] === p.d2))
  );
}

function isFromServer(tuple: FlowTuple, p: Packet): boolean {
  const { client, server } = tuple;
  return (
    tuple.serverPort === p.sourcePort &&
    tuple.clientPort === p.destinationPort &&
    server[3] === p.s3 &&
    client[3] === p.d3 &&
    (tuple.family === 4 ||
      (server[0] === p.s0 &&
        server[1] === p.s1 &&
        server[2] === p.s2 &&
        client[0] === p.d0 &&
        client[1] === p.d1 &&
        client[2] === p.d2))
  );
}

/** The flow of a packet, whose sender is its client or its server. */
export function tupleOf(p: Packet, clientSends: boolean): FlowTuple {
  const source = [p.s0, p.s1, p.s2, p.s3] as const;
  const destination = [p.d0, p.d1, p.d2, p.d3] as const;
  return {
    family: p.family,
    protocol: p.protocol,
    client: clientSends ? source : destination,
    clientPort: clientSends ? p.sourcePort : p.destinationPort,
    server: clientSends ? destination : source,
    serverPort: clientSends ? p.destinationPort : p.sourcePort,
  };
}

/** One end of a flow. */
export function endpointOf(tuple: FlowTuple, client: boolean): Endpoint {
  const words = client ? tuple.client : tuple.server;
  const value = words.reduce((sum, word) => (sum << 32n) | BigInt(word), 0n);
  return {
    address: formatAddress({ family: tuple.family, value }),
    port: client ? tuple.clientPort : tuple.serverPort,
  };
}
