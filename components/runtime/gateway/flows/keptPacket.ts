import { keptCopy } from "../intake/keep";
import { Packet } from "../intake/packet";

/** A packet that stays, with a copy of what it carries: the one that is handed round is filled again with the next. */
export function keptPacket(packet: Packet): Packet {
  const kept = Object.assign(new Packet(), packet);
  kept.buffer = keptCopy(packet.buffer, packet.payloadStart, packet.payloadEnd);
  kept.payloadStart = 0;
  kept.payloadEnd = kept.buffer.length;
  return kept;
}
