import type { BlackholeMode } from "../../experiment";
import type { CompileContext, CompiledKind } from "./context";
import { type Tap, type TapAction, nftParts, tapsOf } from "./nft";
import { chooseBursts, chooseShare, intervals, patternLength } from "./pattern";

/** Loss of a share of packets, independent or in bursts, chosen by the kernel from a seeded pattern. */
export function compileLoss(context: CompileContext): CompiledKind {
  const { fault, seed } = context;
  const lost =
    fault.burstP === undefined
      ? (tapSeed: number) => chooseShare(fault.percent ?? 100, tapSeed)
      : (tapSeed: number) => chooseBursts(burstModel(context), tapSeed);
  const actions = tapsOf(context.target.links, context.ways).map((tap, index) => {
    const chosen = lost(seed + index);
    return chosenPackets(tap, index, chosen, ["counter name dropped drop"]);
  });
  const repeat = `which packets are lost is drawn from seed ${seed} and repeats after ${patternLength} packets of each link and direction`;
  return {
    ...nftParts(fault.id, context.scope, ["dropped"], actions),
    mechanism: "nft",
    selfHealing: true,
    notes: [repeat],
  };
}

/** The Gilbert-Elliott model that a fault asks for. */
export function burstModel({ fault }: CompileContext): { p: number; r: number; h: number; k: number } {
  return { p: fault.burstP ?? 0, r: fault.burstR ?? 1, h: fault.burstH ?? 0, k: fault.burstK ?? 1 };
}

/** An action for the chosen packets of a tap: all of them need no choice. */
export function chosenPackets(tap: Tap, index: number, chosen: readonly number[], rules: string[]): TapAction {
  if (chosen.length === patternLength) return { tap, rules };
  const set = [`set chosen${index} {`, `  typeof numgen inc mod ${patternLength}`, "  flags interval"];
  if (chosen.length > 0) set.push(`  elements = { ${intervals(chosen).join(", ")} }`);
  return {
    tap,
    sets: [[...set, "}"].join("\n")],
    rules: [`numgen inc mod ${patternLength} != @chosen${index} return`, ...rules],
  };
}

/** Silence, a refusal or a reset for every packet. */
export function compileBlackhole(context: CompileContext): CompiledKind {
  const { fault, target, ways } = context;
  const mode = fault.mode ?? "drop";
  const taps = tapsOf(target.links, ways).map((tap) => (mode === "drop" ? tap : answeringTap(tap)));
  const silent = taps.filter(({ hook }) => mode !== "drop" && hook === "egress");
  const actions = taps.map((tap): TapAction => ({ tap, rules: blackholeRules(mode, tap) }));
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

/** Answers that the fault itself gives pass, as they come through the same taps on their way back. */
function blackholeRules(mode: BlackholeMode, { hook }: Tap): string[] {
  if (mode === "drop") return ["counter name dropped drop"];
  const own =
    mode === "reset"
      ? ["tcp flags & rst == rst accept"]
      : ["icmp type destination-unreachable accept", "icmpv6 type destination-unreachable accept"];
  if (hook === "egress") return [...own, "counter name dropped drop"];
  const reset = "meta l4proto tcp reject with tcp reset";
  if (mode === "reset") return [...own, "counter name dropped", reset, "drop"];
  const discovery = "meta l4proto ipv6-icmp icmpv6 type 133-137 drop";
  return [...own, "counter name dropped", discovery, "reject with icmpx admin-prohibited", "drop"];
}
