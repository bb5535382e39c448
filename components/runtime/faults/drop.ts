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
