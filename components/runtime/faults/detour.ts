import { inNamespace, ipIn, shell, shortName, tcIn, words } from "./commands";
import type { Rules, Tap, TapAction } from "./nft";
import type { EffectCounter, PlanCommand } from "./plan";
import { relayMark } from "./relay/model";

const returned = `meta mark 0x${relayMark.toString(16)}`;

/**
 * Rules that let packets pass which come back from a detour. On a machine's own device they look as if they were for
 * another machine, because the detour's end has another address; what really is for another one is not the target's.
 */
export function passReturned({ link, hook }: Tap): string[] {
  if (link.side !== "machine" || hook !== "ingress") return [`${returned} accept`];
  const mend = `${returned} meta pkttype other meta pkttype set host accept`;
  return [mend, `${returned} accept`, "meta pkttype other accept"];
}

/** A way round for chosen packets: sent to `device`, they come back where they were taken out. */
export interface Detour {
  tap: Tap;
  device: string;
  apply: PlanCommand[];
  undo: PlanCommand[];
  undone: PlanCommand[];
  effect: EffectCounter[];
}

/** Rules that let packets pass which are not chosen, and the sets that they use. */
export interface Choice {
  sets?: string[];
  rules: Rules;
}

/** Sends the chosen packets of a tap round. The mark tells those that come back from those that are new. */
export function sendRound(detour: Pick<Detour, "tap" | "device">, choice: Choice): TapAction {
  return {
    tap: detour.tap,
    before: passReturned(detour.tap),
    sets: choice.sets ?? [],
    rules: (count) => [...choice.rules(count), `meta mark set 0x${relayMark.toString(16)} fwd to "${detour.device}"`],
  };
}

/**
 * A detour through a cable of the fault's own: what queues on its near end decides when packets arrive at its far end.
 * No device of the target gets a queue, so there is none to give back.
 */
export function cableDetour(id: string, tap: Tap, index: number, qdisc: readonly string[]): Detour {
  const { near, far } = cableEnds(id, index);
  const queue =
    qdisc.length === 0 ? [] : [words(tcIn(tap.namespace, "qdisc", "add", "dev", near, ...rootQueue, ...qdisc))];
  return cable(id, tap, index, [...queue, ...returnFrom(far, tap)]);
}

/**
 * A cable of the fault's own that makes checksums real: what is sent into its near end is cut into packets and summed, and
 * arrives so at its far end, from where rules have to send it on.
 */
export function summingCable(id: string, tap: Tap, index: number): Detour & { far: string } {
  const { near, far } = cableEnds(id, index);
  const offload = `${words([...inNamespace(tap.namespace), "ethtool", "-K", near, "tx", "off"])} >/dev/null`;
  return { ...cable(id, tap, index, [offload, setUp(far, tap)]), far };
}

const rootQueue = ["root", "handle", "1:"];

function cableEnds(id: string, index: number): { near: string; far: string } {
  return { near: shortName("snn", id, `${index}`), far: shortName("snf", id, `${index}`) };
}

/** Makes a cable, with what else is to be done before its near end is up. */
function cable(id: string, tap: Tap, index: number, further: string[]): Detour {
  const { near, far } = cableEnds(id, index);
  const ends = [near, "mtu", "65000", "type", "veth", "peer", "name", far, "mtu", "65000"];
  const text = [words(ipIn(tap.namespace, "link", "add", ...ends)), ...further, setUp(near, tap)];
  return {
    tap,
    device: near,
    apply: [shell(text.join(" &&\n"))],
    undo: [{ argv: ipIn(tap.namespace, "link", "delete", near), ignoreFailure: true }],
    undone: [{ argv: ["!", ...ipIn(tap.namespace, "link", "show", "dev", near)] }],
    effect: [],
  };
}

function setUp(device: string, tap: Tap): string {
  return words(ipIn(tap.namespace, "link", "set", device, "addrgenmode", "none", "arp", "off", "up"));
}

/** Commands that put what arrives at a device in again where the tap took it out. */
export function returnFrom(device: string, tap: Tap): string[] {
  const back = ["match", "u32", "0", "0", "action", "mirred", tap.hook, "redirect", "dev", tap.device];
  return [
    words(tcIn(tap.namespace, "qdisc", "add", "dev", device, "ingress")),
    words(tcIn(tap.namespace, "filter", "add", "dev", device, "parent", "ffff:", "protocol", "all", "u32", ...back)),
    setUp(device, tap),
  ];
}

/** Counters of the queue at the near end of a cable. */
export function queueCounter(name: string, detour: Detour, pattern: string): EffectCounter {
  const show = words([...inNamespace(detour.tap.namespace), "tc", "-s", "qdisc", "show", "dev", detour.device, "root"]);
  return { name, argv: ["sh", "-c", `${show} | sed -n 's/${pattern}/\\1/p' | head -n 1`], parse: { kind: "number" } };
}
