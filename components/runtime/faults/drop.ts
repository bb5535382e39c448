import type { BlackholeMode } from "../../experiment";
import type { CompileContext, CompiledKind } from "./context";
import { type Rules, type Tap, type TapAction, nftParts, tapsOf } from "./nft";
import type { Fault } from "./plan";
import { burstsOf, chooseBursts, chooseShare, intervals, patternLength } from "./pattern";

/** Loss of a share of packets, independent or in bursts, chosen by the kernel from a seeded pattern. */
export function compileLoss(context: CompileContext): CompiledKind {
  const { fault, seed } = context;
  const actions = tapsOf(context.target.links, context.ways).map((tap, index) => {
    const chosen = lostPackets(context.on(tap.way), seed + index);
    return chosenPackets(tap, index, chosen, (count) => [`${count("dropped")} drop`]);
  });
  const repeat = `which packets are lost is drawn from seed ${seed} and repeats after ${patternLength} packets of each link and direction`;
  return {
    ...nftParts(fault.id, context.scope, ["dropped"], actions),
    mechanism: "nft",
    selfHealing: true,
    notes: [repeat],
  };
}

function lostPackets(fault: Fault, seed: number): number[] {
  const bursts = burstsOf(fault);
  return bursts === undefined ? chooseShare(fault.percent ?? 100, seed) : chooseBursts(bursts, seed);
}

/** An action for the chosen packets of a tap: all of them need no choice. */
export function chosenPackets(tap: Tap, index: number, chosen: readonly number[], rules: Rules): TapAction {
  if (chosen.length === patternLength) return { tap, rules };
  const set = [`set chosen${index} {`, `  typeof numgen inc mod ${patternLength}`, "  flags interval"];
  if (chosen.length > 0) set.push(`  elements = { ${intervals(chosen).join(", ")} }`);
  return {
    tap,
    sets: [[...set, "}"].join("\n")],
    rules: (count) => [`numgen inc mod ${patternLength} != @chosen${index} return`, ...rules(count)],
  };
}

/** Silence, a refusal or a reset for every packet. */
export function compileBlackhole(context: CompileContext): CompiledKind {
  const { fault, target, ways } = context;
  const modeOf = ({ way }: Tap): BlackholeMode => context.on(way).mode ?? "drop";
  const taps = tapsOf(target.links, ways).map((tap) => (modeOf(tap) === "drop" ? tap : answeringTap(tap)));
  const silent = taps.filter((tap) => modeOf(tap) !== "drop" && tap.hook === "egress");
  const own = [...new Set(taps.map(modeOf))].flatMap((mode) => answers[mode]);
  const actions = taps.map((tap): TapAction => ({ tap, before: own, rules: blackholeRules(modeOf(tap), tap) }));
  return {
    ...nftParts(fault.id, context.scope, ["dropped"], actions),
    mechanism: "nft",
    selfHealing: true,
    notes: [
      "established connections are cut too",
      ...silent.map(
        ({ link, way }) =>
          `${way} at ${link.name} is dropped in silence: only what arrives at a device can be answered`,
      ),
    ],
  };
}

/** The kernel answers only packets that arrive, so it is done at the other end of the cable where that is known. */
function answeringTap(tap: Tap): Tap {
  const { peer } = tap.link;
  if (tap.hook === "ingress" || peer === undefined) return tap;
  return { ...tap, device: peer.device, namespace: peer.namespace, hook: "ingress" };
}

/** What the fault itself answers passes all its taps, on its way back too, and is none of the target's packets. */
const answers: Record<BlackholeMode, string[]> = {
  drop: [],
  reset: ["tcp flags & rst == rst accept"],
  reject: ["icmp type destination-unreachable accept", "icmpv6 type destination-unreachable accept"],
};

function blackholeRules(mode: BlackholeMode, { hook }: Tap): Rules {
  if (mode === "drop" || hook === "egress") return (count) => [`${count("dropped")} drop`];
  const discovery = "meta l4proto ipv6-icmp icmpv6 type 133-137 drop";
  const refusal =
    mode === "reset"
      ? ["meta l4proto tcp reject with tcp reset", "drop"]
      : [discovery, "reject with icmpx admin-prohibited", "drop"];
  return (count) => [count("dropped"), ...refusal];
}
