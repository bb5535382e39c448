import type { CompileContext, CompiledKind } from "./context";
import { type TapAction, nftParts, tapsOf } from "./nft";
import type { DelayModel } from "./relay/model";
import { type RelayTap, passRelayed, relayParts } from "./relayPlan";

/** Delay with jitter on each chosen direction. */
export function compileLatency(context: CompileContext): CompiledKind {
  const { fault, seed } = context;
  const model: DelayModel = {
    delayMilliseconds: fault.delayMilliseconds ?? 0,
    jitterMilliseconds: fault.jitterMilliseconds ?? 0,
    distribution: fault.distribution ?? "normal",
    keepOrder: true,
  };
  const total =
    context.ways.length === 2 ? `${2 * model.delayMilliseconds} ms for a round trip` : "the way back is untouched";
  return relayed(context, model, () => ({ rules: [] }), [
    `${model.delayMilliseconds} ms is the delay of one way, ${context.ways.join(" and ")}: ${total}`,
    ...(model.jitterMilliseconds > 0 ? [`jitter keeps the order of packets and is drawn from seed ${seed}`] : []),
  ]);
}

/** Rules that let packets pass which are not chosen, and the sets that they use. */
export interface Choice {
  sets?: string[];
  rules: string[];
}

/** A fault whose packets go through the relay; `choose` gives the rules that pick them, before they are sent there. */
export function relayed(
  context: CompileContext,
  model: DelayModel,
  choose: (tapIndex: number) => Choice,
  notes: string[],
): CompiledKind {
  const { fault, capabilities } = context;
  if (capabilities.relay === undefined) {
    const cure =
      "install the kernel's netem module (kernel-modules-extra, linux-modules-extra) or run it where Node is";
    context.problem({
      path: "fault",
      reason: `${fault.kind} needs netem or the relay, and this host has neither; ${cure}`,
    });
  }
  const taps = tapsOf(context.target.links, context.ways);
  const relay = relayParts(fault.id, taps, { model, seed: context.seed, command: capabilities.relay ?? [] });
  const actions = relay.taps.map((tap, index): TapAction => redirect(tap, choose(index)));
  const nft = nftParts(fault.id, context.scope, [], actions);
  return {
    mechanism: "relay",
    selfHealing: true,
    apply: [...relay.apply, ...nft.apply],
    verify: nft.verify,
    undo: [...nft.undo, ...relay.undo],
    undone: [...nft.undone, ...relay.undone],
    heartbeat: nft.heartbeat,
    effect: [...nft.effect, ...relay.effect],
    notes: [...notes, "packets are held by a process in user space; when it dies they pass undelayed"],
  };
}

function redirect(relay: RelayTap, choice: Choice): TapAction {
  const rules = [...choice.rules, `fwd to "${relay.device}"`];
  return { tap: relay.tap, before: [passRelayed], sets: choice.sets ?? [], rules };
}
