import type { CompileContext, CompiledKind } from "./context";
import { cableDetour, passReturned, queueCounter, sendRound } from "./detour";
import { chosenPackets } from "./drop";
import { type TapAction, counterAt, nftParts, tapsOf } from "./nft";
import { chooseShare, patternLength } from "./pattern";
import type { Fault } from "./plan";
import { relayMark } from "./relay/model";

/** A limit on the bits per second of each chosen direction. */
export function compileBandwidth(context: CompileContext): CompiledKind {
  const { fault, capabilities, scope, target, ways } = context;
  if (!capabilities.tbf) lacks(context, "tc's tbf (the kernel's sch_tbf)");
  if (capabilities.mirred === false) lacks(context, "tc's u32 and mirred (the kernel's cls_u32 and act_mirred)");
  const limits = new Map(ways.map((way) => [way, limitOf(context.on(way))]));
  const detours = tapsOf(target.links, ways).map((tap, index) => {
    const { rate, burst } = limits.get(tap.way)!;
    const qdisc = ["tbf", "rate", `${rate}bit`, "burst", `${burst}b`, "latency", "50ms"];
    return cableDetour(fault.id, tap, index, qdisc);
  });
  const held = ({ rate, burst }: Limit, of: string): string =>
    `${rate} bit/s for ${of}, bursts of ${burst} bytes, at most 50 ms of queue; what does not fit is dropped`;
  const nft = nftParts(
    fault.id,
    context.scope,
    [],
    detours.map((detour) => sendRound(detour, { rules: () => [] })),
  );
  return {
    mechanism: "tbf",
    selfHealing: true,
    apply: [...detours.flatMap(({ apply }) => apply), ...nft.apply],
    verify: nft.verify,
    undo: [...nft.undo, ...detours.flatMap(({ undo }) => undo)],
    undone: [...nft.undone, ...detours.flatMap(({ undone }) => undone)],
    heartbeat: nft.heartbeat,
    effect: [
      ...nft.effect,
      ...detours.flatMap((detour) => [
        queueCounter(counterAt(scope, "passedBytes", detour.tap), detour, "^ Sent \\([0-9]*\\) bytes.*"),
        queueCounter(counterAt(scope, "dropped", detour.tap), detour, ".*(dropped \\([0-9]*\\),.*"),
        queueCounter(counterAt(scope, "limited", detour.tap), detour, ".*overlimits \\([0-9]*\\) .*"),
      ]),
      {
        name: "milliseconds",
        argv: ["sh", "-c", 'clock; number_in "{state}/applied"; echo $(((NOW - NUMBER) * 10))'],
        parse: { kind: "number" },
      },
    ],
    notes: scope.separate
      ? [...limits].map(([way, limit]) => held(limit, `${way} of each link`))
      : [held(limits.get(ways[0]!)!, "each direction and link")],
  };
}

interface Limit {
  rate: number;
  burst: number;
}

/** A burst lasts 4 ms at least, the time between two ticks of slow kernels. */
function limitOf({ bitsPerSecond = 0, burstBytes = 32_768 }: Fault): Limit {
  const rate = Math.round(bitsPerSecond);
  return { rate, burst: Math.max(burstBytes, Math.ceil(rate / 8 / 250)) };
}

/** A share of packets arrives twice. */
export function compileDuplicate(context: CompileContext): CompiledKind {
  const { fault, seed, target, ways } = context;
  const taps = tapsOf(target.links, ways);
  if (context.capabilities.mirred === false)
    lacks(context, "tc's u32 and mirred (the kernel's cls_u32 and act_mirred)");
  const detours = taps.map((tap, index) => cableDetour(fault.id, tap, index, []));
  const actions = detours.map(({ tap, device }, index): TapAction => {
    const mark = `meta mark set 0x${relayMark.toString(16)}`;
    const chosen = chooseShare(context.on(tap.way).percent ?? 100, seed + index);
    return {
      ...chosenPackets(tap, index, chosen, (count) => [`${mark} ${count("duplicated")} dup to "${device}"`]),
      before: passReturned(tap),
    };
  });
  const nft = nftParts(fault.id, context.scope, ["duplicated"], actions);
  return {
    mechanism: "nft",
    selfHealing: true,
    apply: [...detours.flatMap(({ apply }) => apply), ...nft.apply],
    verify: nft.verify,
    undo: [...nft.undo, ...detours.flatMap(({ undo }) => undo)],
    undone: [...nft.undone, ...detours.flatMap(({ undone }) => undone)],
    heartbeat: nft.heartbeat,
    effect: nft.effect,
    notes: [
      `which packets are doubled is drawn from seed ${seed} and repeats after ${patternLength} packets of each link and direction`,
    ],
  };
}

function lacks(context: CompileContext, what: string): void {
  const cure = "install the package with the kernel's further modules (kernel-modules-extra or linux-modules-extra)";
  context.problem({ path: "fault", reason: `${context.fault.kind} needs ${what}, which this host lacks; ${cure}` });
}
