import { inNamespace, ipIn, shell, shortName, tcIn, words } from "./commands";
import type { Rules, Tap, TapAction } from "./nft";
import type { EffectCounter, PlanCommand } from "./plan";
import { relayMark } from "./relay/model";

/** Rule that lets packets pass which come back from a detour. */
export const passReturned = `meta mark 0x${relayMark.toString(16)} accept`;

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
    before: [passReturned],
    sets: choice.sets ?? [],
    rules: (count) => [...choice.rules(count), `meta mark set 0x${relayMark.toString(16)} fwd to "${detour.device}"`],
  };
}

/**
 * A detour through a cable of the fault's own: what queues on its near end decides when packets arrive at its far end.
 * No device of the target gets a queue, so there is none to give back.
 */
export function cableDetour(id: string, tap: Tap, index: number, qdisc: readonly string[]): Detour {
  const near = shortName("snn", id, `${index}`);
  const far = shortName("snf", id, `${index}`);
  const queue =
    qdisc.length === 0
      ? []
      : [words(tcIn(tap.namespace, "qdisc", "add", "dev", near, "root", "handle", "1:", ...qdisc))];
  const text = [
    words(
      ipIn(tap.namespace, "link", "add", near, "mtu", "65000", "type", "veth", "peer", "name", far, "mtu", "65000"),
    ),
    ...queue,
    ...returnFrom(far, tap),
    words(ipIn(tap.namespace, "link", "set", near, "addrgenmode", "none", "arp", "off", "up")),
  ];
  return {
    tap,
    device: near,
    apply: [shell(text.join(" &&\n"))],
    undo: [{ argv: ipIn(tap.namespace, "link", "delete", near), ignoreFailure: true }],
    undone: [{ argv: ["!", ...ipIn(tap.namespace, "link", "show", "dev", near)] }],
    effect: [],
  };
}

/** Commands that put what arrives at a device in again where the tap took it out. */
export function returnFrom(device: string, tap: Tap): string[] {
  const back = ["match", "u32", "0", "0", "action", "mirred", tap.hook, "redirect", "dev", tap.device];
  return [
    words(tcIn(tap.namespace, "qdisc", "add", "dev", device, "ingress")),
    words(tcIn(tap.namespace, "filter", "add", "dev", device, "parent", "ffff:", "protocol", "all", "u32", ...back)),
    words(ipIn(tap.namespace, "link", "set", device, "addrgenmode", "none", "arp", "off", "up")),
  ];
}

/** Counters of the queue at the near end of a cable. */
export function queueCounter(name: string, detour: Detour, pattern: string): EffectCounter {
  const show = words([...inNamespace(detour.tap.namespace), "tc", "-s", "qdisc", "show", "dev", detour.device, "root"]);
  return { name, argv: ["sh", "-c", `${show} | sed -n 's/${pattern}/\\1/p' | head -n 1`], parse: { kind: "number" } };
}
