import { type CompileContext, type CompiledKind } from "./context";
import { claimSteps } from "./claims";
import { inNamespace, words } from "./commands";
import { chosenPackets } from "./drop";
import { hookOf } from "./match";
import { type Rules, type Tap, type TapAction, nftParts, tapsOf } from "./nft";
import { chooseShare, patternLength, randomFrom } from "./pattern";
import type { PlanCommand, ResolvedLink } from "./plan";

/** Different bit patterns that are written, so that the flipped bits vary from packet to packet. */
const variants = 16;
/** Pairs of bytes of the payload among which flips are spread. */
const payloadWords = 64;

/** Flips bits on the wire: the checksum is real before the flip, so the receiver sees the damage and discards. */
export function compileCorruption(context: CompileContext): CompiledKind {
  const { fault, seed } = context;
  const places = context.target.links.flatMap((link) => context.ways.map((way) => wirePlace(context, link, way)));
  const usable = places.filter((place) => place !== undefined);
  const actions = usable.map(({ tap }, index): TapAction => {
    const { percent = 100, bitsPerPacket = 1 } = context.on(tap.way);
    const flips = flipRules(bitMasks(bitsPerPacket, seed + index));
    return chosenPackets(tap, index, chooseShare(percent, seed + index), (count) => [count("corrupted"), ...flips]);
  });
  const parts = nftParts(fault.id, context.scope, ["corrupted"], actions);
  const offloads = uniqueOffloads(usable.map(({ offload }) => offload));
  return {
    ...parts,
    mechanism: "nft",
    selfHealing: true,
    apply: [...offloads.map(({ apply }) => apply), ...parts.apply],
    undo: [...parts.undo, ...offloads.map(({ undo }) => undo)],
    undone: [...parts.undone, ...offloads.map(({ undone }) => undone)],
    notes: [
      `checksum offload is switched off at ${offloads.map(({ name }) => name).join(", ")} so that receivers see the damage`,
      `bits are flipped in the seventh and eighth byte after the IP header, drawn from seed ${seed}`,
      `which packets are hit repeats after ${patternLength} packets of each link and direction`,
    ],
  };
}

/** Flips bits in what the application reads and repairs the checksum, so that only the application can notice. */
export function compilePayloadCorruption(context: CompileContext): CompiledKind {
  const { fault, seed } = context;
  const actions = tapsOf(context.target.links, context.ways).map((tap, index): TapAction => {
    const { percent = 100, bitsPerPacket = 1 } = context.on(tap.way);
    const flips = payloadRules(bitMasks(bitsPerPacket, seed + index), seed + index);
    const chosen = chosenPackets(tap, index, chooseShare(percent, seed + index), flips);
    const carrying: Rules = (count) => [count("carrying"), ...chosen.rules(count)];
    const chain = `carry${index}`;
    return { ...chosen, rules: () => [`@ih,0,16 >= 0 goto ${chain}`], chains: [{ name: chain, rules: carrying }] };
  });
  return {
    ...nftParts(fault.id, context.scope, ["carrying", "corrupted"], actions),
    mechanism: "nft",
    selfHealing: true,
    notes: [
      "only TCP and UDP packets with at least two bytes of payload are hit; their checksums are repaired",
      `which packets are hit and which bits are flipped is drawn from seed ${seed}`,
    ],
  };
}

/** Where the flips are: any of the first bytes, and the first two when the payload is too short for the others. */
function payloadRules(masks: readonly number[], seed: number): Rules {
  const random = randomFrom(seed ^ 0x2545f491);
  const flips = masks.map((mask, index) => {
    const left = masks.length - index;
    const field = `@ih,${left === 1 ? 0 : 16 * Math.floor(random() * payloadWords)},16`;
    const turn = left === 1 ? "" : `numgen random mod ${left} 0 `;
    return `${turn}${field} set ${field} ^ 0x${mask.toString(16).padStart(4, "0")}`;
  });
  return (count) => flips.map((flip) => `${flip} ${count("corrupted")} accept`);
}

interface Offload {
  device: string;
  namespace?: string;
  feature: "tx" | "rx";
}

/** Where a packet has a real checksum and the receiver has not looked at it yet. */
function wirePlace(
  context: CompileContext,
  link: ResolvedLink,
  way: Tap["way"],
): { tap: Tap; offload: Offload } | undefined {
  const own = { device: link.device, namespace: link.namespace };
  if (hookOf(link, way) === "ingress") {
    const tap: Tap = { link, way, ...own, hook: "ingress" };
    if (link.side === "machine") return { tap, offload: { ...own, feature: "rx" } };
    if (link.peer !== undefined) return { tap, offload: { ...link.peer, feature: "tx" } };
  } else if (link.peer !== undefined) {
    const tap: Tap = { link, way, device: link.peer.device, namespace: link.peer.namespace, hook: "ingress" };
    return { tap, offload: { ...own, feature: "tx" } };
  }
  const reason = `corruption of ${way} at ${link.name} needs netem (install the kernel's extra modules) or both ends of the cable`;
  context.problem({ path: "target", reason });
  return undefined;
}

function bitMasks(bits: number, seed: number): number[] {
  const random = randomFrom(seed ^ 0x5bd1e995);
  return Array.from({ length: variants }, () => {
    let mask = 0;
    for (let left = bits; left > 0;) {
      const bit = 1 << Math.floor(random() * 16);
      if ((mask & bit) !== 0) continue;
      mask |= bit;
      left--;
    }
    return mask;
  });
}

/** Each rule takes its share of what the rules before it left. */
function flipRules(masks: readonly number[]): string[] {
  return masks.map((mask, index) => {
    const left = masks.length - index;
    const turn = left === 1 ? "" : `numgen random mod ${left} 0 `;
    return `${turn}@th,48,16 set @th,48,16 ^ 0x${mask.toString(16).padStart(4, "0")} accept`;
  });
}

function uniqueOffloads(offloads: readonly Offload[]) {
  const byName = new Map(
    offloads.map((offload) => [`${offload.namespace ?? ""}/${offload.device} ${offload.feature}`, offload]),
  );
  return [...byName].map(([name, offload]) => ({ name: name.replace(/^\//, ""), ...switchOff(offload) }));
}

/** Switches checksum offload off, and with the last fault that wants it so as it was before. */
export function switchOff({ device, namespace, feature }: Offload): Record<"apply" | "undo" | "undone", PlanCommand> {
  const ethtool = words([...inNamespace(namespace), "ethtool"]);
  const line = feature === "tx" ? "tx-checksumming" : "rx-checksumming";
  return claimSteps(
    {
      name: `${line} of ${namespace ?? "this host"} ${device}`,
      present: `${ethtool} -k ${device} >/dev/null 2>&1`,
      identity: words([...inNamespace(namespace), "cat", `/sys/class/net/${device}/ifindex`]),
      current: `${ethtool} -k ${device} | sed -n 's/^${line}: \\(o[nf]*\\).*/\\1/p'`,
      combine: "echo off",
      put: `${ethtool} -K ${device} ${feature} "$(cat "$1")" >/dev/null`,
    },
    "off",
  );
}
