const ethernetHeader = 14;
const etherIpv4 = 0x0800;
const etherIpv6 = 0x86dd;

/** Where the packet begins, and where its type stands; no type for packets that tell their version themselves. */
interface Layout {
  packetAt: number;
  typeAt?: number;
}

const plainIp: Layout = { packetAt: 0 };
/** By the number that captures give to what stands before a packet. */
const layouts = new Map<number, Layout>([
  [0, { packetAt: 4 }], // BSD loopback
  [12, plainIp],
  [14, plainIp],
  [101, plainIp],
  [108, { packetAt: 4 }], // OpenBSD loopback
  [113, { packetAt: 16, typeAt: 14 }], // Linux "any" interface
  [228, plainIp],
  [229, plainIp],
  [276, { packetAt: 20, typeAt: 0 }], // Linux "any" interface, version 2
]);
const ethernet = 1;

/**
 * A captured packet as an Ethernet frame, whatever stands before it in the capture; undefined for a kind of link that is
 * not read.
 */
export function asEthernet(data: Buffer, linkType: number): Buffer | undefined {
  if (linkType === ethernet) return data;
  const layout = layouts.get(linkType);
  if (layout === undefined) return undefined;
  const { packetAt, typeAt } = layout;
  if (data.length <= packetAt) return Buffer.alloc(0);
  const frame = Buffer.alloc(ethernetHeader + data.length - packetAt);
  const ipType = data[packetAt]! >> 4 === 6 ? etherIpv6 : etherIpv4;
  frame.writeUInt16BE(typeAt === undefined ? ipType : data.readUInt16BE(typeAt), 12);
  data.copy(frame, ethernetHeader, packetAt);
  return frame;
}
