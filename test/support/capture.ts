/** Builds frames and encapsulated packets byte by byte, independently of the gateway's decoder. */

/** One end of a generated flow. */
export interface Peer {
  address: string;
  port: number;
}

/** Fields of one generated TCP segment. */
export interface Segment {
  from: Peer;
  to: Peer;
  sequence: number;
  acknowledgement: number;
  flags: string;
  payload?: Buffer;
  vlan?: number;
  ipOptions?: number;
  extensionHeaders?: number;
}

function addressBytes(address: string): Buffer {
  if (!address.includes(":")) return Buffer.from(address.split(".").map(Number));
  const [head = "", tail] = address.split("::");
  const parse = (part: string): number[] => (part === "" ? [] : part.split(":").map((group) => parseInt(group, 16)));
  const before = parse(head);
  const after = tail === undefined ? [] : parse(tail);
  const words = [...before, ...new Array<number>(8 - before.length - after.length).fill(0), ...after];
  const bytes = Buffer.alloc(16);
  words.forEach((group, index) => bytes.writeUInt16BE(group, index * 2));
  return bytes;
}

function flagBits(flags: string): number {
  const bits: Record<string, number> = { F: 1, S: 2, R: 4, P: 8, A: 16 };
  return Array.from(flags).reduce((sum, flag) => sum | bits[flag]!, 0);
}

/** An Ethernet frame around an IP packet. */
function ethernet(type: number, packet: Buffer, vlan: number | undefined): Buffer {
  const header = Buffer.alloc(vlan === undefined ? 14 : 18);
  header.writeUIntBE(0x020000000001, 0, 6);
  header.writeUIntBE(0x020000000002, 6, 6);
  if (vlan === undefined) header.writeUInt16BE(type, 12);
  else {
    header.writeUInt16BE(0x8100, 12);
    header.writeUInt16BE(vlan, 14);
    header.writeUInt16BE(type, 16);
  }
  return Buffer.concat([header, packet]);
}

function ipPacket(
  protocol: number,
  transport: Buffer,
  segment: Omit<Segment, "sequence" | "acknowledgement" | "flags">,
): Buffer {
  const source = addressBytes(segment.from.address);
  const destination = addressBytes(segment.to.address);
  if (source.length === 4) {
    const options = Buffer.alloc((segment.ipOptions ?? 0) * 4, 1);
    const header = Buffer.alloc(20);
    header[0] = 0x40 | (5 + (segment.ipOptions ?? 0));
    header.writeUInt16BE(20 + options.length + transport.length, 2);
    header[6] = 0x40;
    header[8] = 64;
    header[9] = protocol;
    source.copy(header, 12);
    destination.copy(header, 16);
    return ethernet(0x0800, Buffer.concat([header, options, transport]), segment.vlan);
  }
  const extensions = segment.extensionHeaders ?? 0;
  const chain = Array.from({ length: extensions }, (_, index) => {
    const option = Buffer.alloc(8);
    option[0] = index === extensions - 1 ? protocol : 60;
    option.set([1, 4], 2);
    return option;
  });
  const header = Buffer.alloc(40);
  header[0] = 0x60;
  header.writeUInt16BE(extensions * 8 + transport.length, 4);
  header[6] = extensions > 0 ? 60 : protocol;
  header[7] = 64;
  source.copy(header, 8);
  destination.copy(header, 24);
  return ethernet(0x86dd, Buffer.concat([header, ...chain, transport]), segment.vlan);
}

/** An Ethernet frame with a TCP segment. */
export function tcpFrame(segment: Segment): Buffer {
  const header = Buffer.alloc(20);
  header.writeUInt16BE(segment.from.port, 0);
  header.writeUInt16BE(segment.to.port, 2);
  header.writeUInt32BE(segment.sequence >>> 0, 4);
  header.writeUInt32BE(segment.acknowledgement >>> 0, 8);
  header[12] = 0x50;
  header[13] = flagBits(segment.flags);
  header.writeUInt16BE(65_535, 14);
  return ipPacket(6, Buffer.concat([header, segment.payload ?? Buffer.alloc(0)]), segment);
}

/** An Ethernet frame with a UDP datagram. */
export function udpFrame(from: Peer, to: Peer, payload: Buffer): Buffer {
  const header = Buffer.alloc(8);
  header.writeUInt16BE(from.port, 0);
  header.writeUInt16BE(to.port, 2);
  header.writeUInt16BE(8 + payload.length, 4);
  return ipPacket(17, Buffer.concat([header, payload]), { from, to });
}

/** A VXLAN packet around a frame. */
export function vxlan(frame: Buffer, vni = 1): Buffer {
  const header = Buffer.alloc(8);
  header[0] = 8;
  header.writeUIntBE(vni, 4, 3);
  return Buffer.concat([header, frame]);
}

/** A GENEVE packet with options around a frame; `aws` puts the frame into VXLAN and UDP first, as a Gateway Load Balancer does. */
export function geneve(frame: Buffer, { options = Buffer.alloc(0), vni = 1, aws = true } = {}): Buffer {
  const header = Buffer.alloc(8);
  header[0] = options.length / 4;
  header.writeUInt16BE(aws ? 0x0800 : 0x6558, 2);
  header.writeUIntBE(aws ? 0 : vni, 4, 3);
  const mirrored = (): Buffer =>
    udpFrame({ address: "10.0.0.1", port: 60_000 }, { address: "10.0.0.2", port: 4_789 }, vxlan(frame, vni));
  return Buffer.concat([header, options, aws ? mirrored().subarray(14) : frame]);
}

/** One option of a GENEVE packet. */
export function geneveOption(group: number, type: number, data: Buffer): Buffer {
  const header = Buffer.alloc(4);
  header.writeUInt16BE(group, 0);
  header[2] = type;
  header[3] = data.length / 4;
  return Buffer.concat([header, data]);
}

/** Writes both directions of one TCP connection as frames, with true sequence and acknowledgement numbers. */
export class TcpScript {
  readonly frames: Buffer[] = [];
  private clientNext: number;
  private serverNext: number;

  constructor(
    readonly client: Peer,
    readonly server: Peer,
    private readonly options: {
      clientIsn?: number;
      serverIsn?: number;
      mss?: number;
      vlan?: number;
      ipOptions?: number;
      extensionHeaders?: number;
    } = {},
  ) {
    this.clientNext = options.clientIsn ?? 1000;
    this.serverNext = options.serverIsn ?? 5000;
  }

  /** The three packets that open a connection. */
  handshake(): this {
    this.frames.push(this.frame(true, "S", undefined));
    this.clientNext++;
    this.frames.push(this.frame(false, "SA", undefined));
    this.serverNext++;
    return this.acknowledge(true);
  }

  /** What one side says, in segments of at most `mss` bytes. */
  say(fromClient: boolean, bytes: Buffer | string, mss = this.options.mss ?? 1460): this {
    const payload = typeof bytes === "string" ? Buffer.from(bytes, "latin1") : bytes;
    for (let at = 0; at < payload.length; at += mss) {
      const part = payload.subarray(at, at + mss);
      this.frames.push(this.frame(fromClient, "PA", part));
      if (fromClient) this.clientNext += part.length;
      else this.serverNext += part.length;
    }
    return this;
  }

  /** A packet that only acknowledges. */
  acknowledge(fromClient: boolean): this {
    this.frames.push(this.frame(fromClient, "A", undefined));
    return this;
  }

  /** Ends one direction. */
  end(fromClient: boolean): this {
    this.frames.push(this.frame(fromClient, "FA", undefined));
    if (fromClient) this.clientNext++;
    else this.serverNext++;
    return this;
  }

  /** Ends both directions. */
  close(): this {
    return this.end(true).end(false).acknowledge(true);
  }

  reset(fromClient: boolean): this {
    this.frames.push(this.frame(fromClient, "RA", undefined));
    return this;
  }

  private frame(fromClient: boolean, flags: string, payload: Buffer | undefined): Buffer {
    const acknowledges = flags !== "S";
    return tcpFrame({
      from: fromClient ? this.client : this.server,
      to: fromClient ? this.server : this.client,
      sequence: fromClient ? this.clientNext : this.serverNext,
      acknowledgement: acknowledges ? (fromClient ? this.serverNext : this.clientNext) : 0,
      flags,
      payload,
      vlan: this.options.vlan,
      ipOptions: this.options.ipOptions,
      extensionHeaders: this.options.extensionHeaders,
    });
  }
}
