import { type CompileContext, type CompiledKind } from "./context";
import { claimSteps } from "./claims";
import { inNamespace, words } from "./commands";
import { type Detour, sendRound, summingCable } from "./detour";
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
  const flips = places.map((place, index) => flipAt(context, place, index));
  const cables = flips.flatMap(({ cable }) => (cable === undefined ? [] : [cable]));
  const actions = flips.map(({ action }) => action);
  const parts = nftParts(fault.id, context.scope, ["corrupted"], actions);
  const offloads = uniqueOffloads(places.flatMap(({ offload }) => (offload === undefined ? [] : [offload])));
  const before = [...offloads, ...cables];
  const where = [...offloads.map(({ name }) => name), ...cables.map(({ device }) => `${device}, a cable of its own`)];
  return {
    ...parts,
    mechanism: "nft",
    selfHealing: true,
    apply: [...before.flatMap(({ apply }) => apply), ...parts.apply],
    undo: [...parts.undo, ...before.flatMap(({ undo }) => undo)],
    undone: [...parts.undone, ...before.flatMap(({ undone }) => undone)],
    notes: [
      `checksum offload is switched off at ${where.join(", ")} so that receivers see the damage`,
      `bits are flipped in the seventh and eighth byte after the IP header, drawn from seed ${seed}`,
      `which packets are hit repeats after ${patternLength} packets of each link and direction`,
    ],
  };
}

/** Rules for a place; where nothing makes the sums real before the packets leave, the chosen ones go through a cable. */
function flipAt(
  context: CompileContext,
  { tap, offload }: WirePlace,
  index: number,
): { action: TapAction; cable?: Detour } {
  const { fault, seed } = context;
  const { percent = 100, bitsPerPacket = 1 } = context.on(tap.way);
  const chosen = chooseShare(percent, seed + index);
  const masks = bitMasks(bitsPerPacket, seed + index);
  if (offload !== undefined) {
    const flips = flipRules(masks, "accept");
    return { action: chosenPackets(tap, index, chosen, (count) => [count("corrupted"), ...flips]) };
  }
  const cable = summingCable(fault.id, tap, index);
  const hook = `type filter hook ingress device "${cable.far}" priority -100; policy accept;`;
  const action = sendRound(
    cable,
    chosenPackets(tap, index, chosen, (count) => [count("corrupted")]),
  );
  const chains = [
    { name: `leave${index}`, rules: () => [`fwd to "${tap.device}"`] },
    { name: `wire${index}`, rules: () => [hook, ...flipRules(masks, `goto leave${index}`)] },
  ];
  return { action: { ...action, chains }, cable };
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

/** Where bits are flipped, and whose offload is switched off for it. */
interface WirePlace {
  tap: Tap;
  /** Left out where packets leave the last device that is known, so that none sends real checksums past the tap. */
  offload?: Offload;
}

/** Where a packet has a real checksum and the receiver has not looked at it yet. */
function wirePlace({ problem }: CompileContext, link: ResolvedLink, way: Tap["way"]): WirePlace {
  const own = { device: link.device, namespace: link.namespace };
  const hook = hookOf(link, way);
  const tap: Tap = { link, way, ...own, hook };
  if (hook === "ingress") {
    if (link.side === "machine") return { tap, offload: { ...own, feature: "rx" } };
    if (link.peer !== undefined) return { tap, offload: { ...link.peer, feature: "tx" } };
    problem({
      path: "target",
      reason: `corruption of ${way} at ${link.name} needs to know the other end of its cable`,
    });
    return { tap };
  }
  if (link.peer === undefined) return { tap };
  const { device, namespace } = link.peer;
  return { tap: { ...tap, device, namespace, hook: "ingress" }, offload: { ...own, feature: "tx" } };
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

/** Each rule takes its share of what the rules before it left, and ends with a verdict. */
function flipRules(masks: readonly number[], verdict: string): string[] {
  return masks.map((mask, index) => {
    const left = masks.length - index;
    const turn = left === 1 ? "" : `numgen random mod ${left} 0 `;
    return `${turn}@th,48,16 set @th,48,16 ^ 0x${mask.toString(16).padStart(4, "0")} ${verdict}`;
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
