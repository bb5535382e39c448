import type { CompileContext, CompiledKind } from "./context";
import { type Choice, type Detour, cableDetour, queueCounter, sendRound } from "./detour";
import { chosenPackets } from "./drop";
import type { Way } from "./match";
import { counterAt, nftParts, tapsOf } from "./nft";
import { chooseShare } from "./pattern";
import type { DelayModel } from "./relay/model";
import { relayDetours } from "./relayPlan";

/** Packets per second for which queues of netem are made long enough. */
const packetRate = 100_000;
const defaultReorderDelay = 10;

/** Delay with jitter on each chosen direction. */
export function compileLatency(context: CompileContext): CompiledKind {
  const modelOf = (way: Way): DelayModel => {
    const { delayMilliseconds = 0, jitterMilliseconds = 0, distribution = "normal" } = context.on(way);
    return { delayMilliseconds, jitterMilliseconds, distribution, keepOrder: true };
  };
  return delayed(context, modelOf, () => ({ rules: () => [] }), latencyNotes(context, modelOf));
}

function latencyNotes({ scope, seed, ways }: CompileContext, modelOf: (way: Way) => DelayModel): string[] {
  const total = ways.reduce((sum, way) => sum + modelOf(way).delayMilliseconds, 0);
  const back = ways.length === 2 ? `${total} ms for a round trip` : "the way back is untouched";
  const jitter = ({ jitterMilliseconds, distribution }: DelayModel, of: string): string[] =>
    jitterMilliseconds === 0
      ? []
      : [`${distribution} jitter of ${jitterMilliseconds} ms${of}, drawn from seed ${seed}`];
  if (scope.separate) {
    const delays = ways.map((way) => `${modelOf(way).delayMilliseconds} ms ${way}`).join(" and ");
    return [`delayed are ${delays}: ${back}`, ...ways.flatMap((way) => jitter(modelOf(way), ` ${way}`))];
  }
  const model = modelOf(ways[0]!);
  const way = `${model.delayMilliseconds} ms is the delay of one way, ${ways.join(" and ")}`;
  return [`${way}: ${back}`, ...jitter(model, "")];
}

/** Some packets are held back, so that those behind them overtake. */
export function compileReorder(context: CompileContext): CompiledKind {
  const { scope, seed, ways } = context;
  const taps = tapsOf(context.target.links, ways);
  const choose = (index: number): Choice => {
    const { gap, percent } = context.on(taps[index]!.way);
    const everyNth = gap === undefined ? [] : [`numgen inc mod ${gap} != 0 return`];
    if (percent === undefined) return { rules: (count) => [...everyNth, count("reordered")] };
    const { sets, rules } = chosenPackets(taps[index]!, index, chooseShare(percent, seed + index), () => []);
    return { sets, rules: (count) => [...everyNth, ...rules(count), count("reordered")] };
  };
  const modelOf = (way: Way): DelayModel => ({
    delayMilliseconds: context.on(way).delayMilliseconds ?? defaultReorderDelay,
    jitterMilliseconds: 0,
    distribution: "uniform",
    keepOrder: true,
  });
  const held = (way: Way): string => `${modelOf(way).delayMilliseconds} ms`;
  const times = scope.separate ? ways.map((way) => `${held(way)} ${way}`).join(" and ") : held(ways[0]!);
  const note = `chosen packets are held for ${times}; they are overtaken only by packets that follow within that time`;
  return delayed(context, modelOf, choose, [note], ["reordered"]);
}

function delayed(
  context: CompileContext,
  modelOf: (way: Way) => DelayModel,
  choose: (tapIndex: number) => Choice,
  notes: string[],
  counters: string[] = [],
): CompiledKind {
  const { fault, ways } = context;
  const models = ways.map(modelOf);
  const netem = useNetem(context, models);
  const detours = netem ? netemDetours(context, modelOf) : heldByRelay(context, modelOf);
  const actions = detours.map((detour, index) => sendRound(detour, choose(index)));
  const nft = nftParts(fault.id, context.scope, counters, actions);
  const own = netem
    ? `netem on a cable of the fault's own holds ${Math.max(...models.map(netemLimit))} packets at most`
    : "packets are held by a process in user space; when it dies they pass undelayed";
  const mayReorder =
    netem && models.some(({ jitterMilliseconds }) => jitterMilliseconds > 0)
      ? ["netem's jitter lets packets overtake each other"]
      : [];
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
function useNetem({ capabilities }: CompileContext, models: readonly DelayModel[]): boolean {
  const netem = capabilities.netem && capabilities.mirred !== false;
  const spreads = models.some(({ jitterMilliseconds }) => jitterMilliseconds > 0);
  return netem && (!spreads || capabilities.relay === undefined);
}

/** Half as many again as the rate puts on the way during the longest delay, and never less than tc's own 1000. */
export function netemLimit({ delayMilliseconds, jitterMilliseconds }: DelayModel): number {
  return Math.max(1000, Math.ceil((packetRate * (delayMilliseconds + 3 * jitterMilliseconds) * 1.5) / 1000));
}

function netemDetours({ fault, scope, target, ways }: CompileContext, modelOf: (way: Way) => DelayModel): Detour[] {
  return tapsOf(target.links, ways).map((tap, index) => {
    const model = modelOf(tap.way);
    const { delayMilliseconds: delay, jitterMilliseconds: jitter, distribution } = model;
    const spread =
      jitter === 0 ? [] : [`${jitter}ms`, ...(distribution === "uniform" ? [] : ["distribution", distribution])];
    const qdisc = ["netem", "limit", `${netemLimit(model)}`, "delay", `${delay}ms`, ...spread];
    const detour = cableDetour(fault.id, tap, index, qdisc);
    const overflowed = counterAt(scope, "overflowed", tap);
    return { ...detour, effect: [queueCounter(overflowed, detour, ".*(dropped \\([0-9]*\\),.*")] };
  });
}

function heldByRelay(context: CompileContext, modelOf: (way: Way) => DelayModel): Detour[] {
  const { fault, capabilities, scope, target, ways, seed } = context;
  if (capabilities.relay === undefined) {
    const cure =
      "install the package with the kernel's netem module (kernel-modules-extra or linux-modules-extra), or run it on a host with Node, vxlan and tc's mirred";
    const reason = `${fault.kind} needs netem or the delay relay, and this host has neither; ${cure}`;
    context.problem({ path: "fault", reason });
  }
  const settings = { modelOf, seed, command: capabilities.relay ?? [], separate: scope.separate };
  return relayDetours(fault.id, tapsOf(target.links, ways), settings);
}
