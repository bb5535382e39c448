import type { CompileContext, CompiledKind } from "./context";
import { type Choice, type Detour, cableDetour, queueCounter, sendRound } from "./detour";
import { chosenPackets } from "./drop";
import { nftParts, tapsOf } from "./nft";
import { chooseShare } from "./pattern";
import type { DelayModel } from "./relay/model";
import { relayDetours } from "./relayPlan";

/** Packets per second for which queues of netem are made long enough. */
const packetRate = 100_000;
const defaultReorderDelay = 10;

/** Delay with jitter on each chosen direction. */
export function compileLatency(context: CompileContext): CompiledKind {
  const { fault, seed, ways } = context;
  const model: DelayModel = {
    delayMilliseconds: fault.delayMilliseconds ?? 0,
    jitterMilliseconds: fault.jitterMilliseconds ?? 0,
    distribution: fault.distribution ?? "normal",
    keepOrder: true,
  };
  const { delayMilliseconds: delay, jitterMilliseconds: jitter } = model;
  const total = ways.length === 2 ? `${2 * delay} ms for a round trip` : "the way back is untouched";
  const notes = [`${delay} ms is the delay of one way, ${ways.join(" and ")}: ${total}`];
  if (jitter > 0) notes.push(`${fault.distribution ?? "normal"} jitter of ${jitter} ms, drawn from seed ${seed}`);
  return delayed(context, model, () => ({ rules: [] }), notes);
}

/** Some packets are held back, so that those behind them overtake. */
export function compileReorder(context: CompileContext): CompiledKind {
  const { fault, seed } = context;
  const delay = fault.delayMilliseconds ?? defaultReorderDelay;
  const taps = tapsOf(context.target.links, context.ways);
  const choose = (index: number): Choice => {
    const everyNth = fault.gap === undefined ? [] : [`numgen inc mod ${fault.gap} != 0 return`];
    const share = fault.percent === undefined ? [] : chooseShare(fault.percent, seed + index);
    const { sets, rules } = chosenPackets(taps[index]!, index, share, []);
    return fault.percent === undefined
      ? { rules: [...everyNth, "counter name reordered"] }
      : { sets, rules: [...everyNth, ...rules, "counter name reordered"] };
  };
  const model: DelayModel = {
    delayMilliseconds: delay,
    jitterMilliseconds: 0,
    distribution: "uniform",
    keepOrder: true,
  };
  const note = `chosen packets are held for ${delay} ms; they are overtaken only by packets that follow within that time`;
  return delayed(context, model, choose, [note], ["reordered"]);
}

function delayed(
  context: CompileContext,
  model: DelayModel,
  choose: (tapIndex: number) => Choice,
  notes: string[],
  counters: string[] = [],
): CompiledKind {
  const { fault } = context;
  const netem = useNetem(context, model);
  const detours = netem ? netemDetours(context, model) : heldByRelay(context, model);
  const actions = detours.map((detour, index) => sendRound(detour, choose(index)));
  const nft = nftParts(fault.id, context.scope, counters, actions);
  const own = netem
    ? `netem on a cable of the fault's own holds ${netemLimit(model)} packets at most`
    : "packets are held by a process in user space; when it dies they pass undelayed";
  const mayReorder = netem && model.jitterMilliseconds > 0 ? ["netem's jitter lets packets overtake each other"] : [];
  return {
    mechanism: netem ? "netem" : "relay",
    selfHealing: true,
    apply: [...detours.flatMap(({ apply }) => apply), ...nft.apply],
    verify: nft.verify,
    undo: [...nft.undo, ...detours.flatMap(({ undo }) => undo)],
    undone: [...nft.undone, ...detours.flatMap(({ undone }) => undone)],
    heartbeat: nft.heartbeat,
    effect: [...nft.effect, ...detours.flatMap(({ effect }) => effect)],
    notes: [...notes, own, ...mayReorder],
  };
}

/** The relay keeps the order under jitter and knows a seed; netem is faster for a delay that never changes. */
function useNetem({ capabilities }: CompileContext, { jitterMilliseconds }: DelayModel): boolean {
  const netem = capabilities.netem && capabilities.mirred !== false;
  return netem && (jitterMilliseconds === 0 || capabilities.relay === undefined);
}

/** Half as many again as the rate puts on the way during the longest delay, and never less than tc's own 1000. */
export function netemLimit({ delayMilliseconds, jitterMilliseconds }: DelayModel): number {
  return Math.max(1000, Math.ceil((packetRate * (delayMilliseconds + 3 * jitterMilliseconds) * 1.5) / 1000));
}

function netemDetours({ fault, target, ways }: CompileContext, model: DelayModel): Detour[] {
  const { delayMilliseconds: delay, jitterMilliseconds: jitter, distribution } = model;
  const spread =
    jitter === 0 ? [] : [`${jitter}ms`, ...(distribution === "uniform" ? [] : ["distribution", distribution])];
  const qdisc = ["netem", "limit", `${netemLimit(model)}`, "delay", `${delay}ms`, ...spread];
  return tapsOf(target.links, ways).map((tap, index) => {
    const detour = cableDetour(fault.id, tap, index, qdisc);
    return { ...detour, effect: [queueCounter("overflowed", detour, ".*(dropped \\([0-9]*\\),.*")] };
  });
}

function heldByRelay(context: CompileContext, model: DelayModel): Detour[] {
  const { fault, capabilities, target, ways, seed } = context;
  if (capabilities.relay === undefined) {
    const cure =
      "install the package with the kernel's netem module (kernel-modules-extra or linux-modules-extra), or run it on a host with Node, vxlan and tc's mirred";
    const reason = `${fault.kind} needs netem or the delay relay, and this host has neither; ${cure}`;
    context.problem({ path: "fault", reason });
  }
  return relayDetours(fault.id, tapsOf(target.links, ways), { model, seed, command: capabilities.relay ?? [] });
}
