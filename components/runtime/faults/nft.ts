import type { Flow } from "../../experiment";
import { inNamespace, tag } from "./commands";
import { counterOf } from "./directions";
import { type Way, exemptMatches, flowMatches, hookOf } from "./match";
import { probeCounter } from "./probeEffect";
import { probeMatch } from "./probes";
import type { EffectCounter, PlanCommand, ResolvedLink } from "./plan";

/** A hook of a device, where packets that a target sends or gets pass. */
export interface Tap {
  link: ResolvedLink;
  way: Way;
  device: string;
  namespace: string | undefined;
  hook: Way;
}

/** Rules of one tap; `count` gives the statement that counts under a name, for this tap's direction where they differ. */
export type Rules = (count: (name: string) => string) => string[];

/** What a rule set does to the packets that match, at one tap. */
export interface TapAction {
  tap: Tap;
  /** Rules for the packets of the target; they end with a verdict or let the packet pass. */
  rules: Rules;
  /** Rules before everything else, for example to let pass what the fault itself has sent. */
  before?: string[];
  /** Sets that the rules use, as text. */
  sets?: string[];
  /** Further chains that the rules go to. */
  chains?: { name: string; rules: Rules }[];
}

/** Which packets at a tap are the target's. */
export interface Scope {
  flow: Flow | undefined;
  /** Also the packets that answer the flow. */
  bothWays: boolean;
  exempt: Flow[];
  /** Whether each direction is counted by itself, because its values are its own. */
  separate: boolean;
  /** Whether probe packets pass, which are treated like all others and counted by themselves. */
  probes: boolean;
}

/** Everything that nft does for a fault, as parts of its plan. */
export interface NftParts {
  apply: PlanCommand[];
  verify: PlanCommand[];
  undo: PlanCommand[];
  undone: PlanCommand[];
  heartbeat: PlanCommand[];
  effect: EffectCounter[];
}

/** The taps at the links' own devices for the chosen ways. */
export function tapsOf(links: readonly ResolvedLink[], ways: readonly Way[]): Tap[] {
  return links.flatMap((link) =>
    ways.map((way) => ({ link, way, device: link.device, namespace: link.namespace, hook: hookOf(link, way) })),
  );
}

/**
 * One table per namespace whose rules match only while the kernel keeps the elements of the set `armed`: the table is
 * loaded without any, the heartbeat adds them with a timeout, and without heartbeats the kernel ends the fault.
 */
export function nftParts(id: string, scope: Scope, counters: string[], actions: TapAction[]): NftParts {
  const table = tag(id);
  const plain = ["matched", ...counters];
  const base = scope.probes ? [...plain, ...plain.map(probeCounter)] : plain;
  const namespaces = [...new Set(actions.map(({ tap }) => tap.namespace))];
  const parts: NftParts = { apply: [], verify: [], undo: [], undone: [], heartbeat: [], effect: [] };
  for (const namespace of namespaces) {
    const own = actions.filter(({ tap }) => tap.namespace === namespace);
    const ways = [...new Set(own.map(({ tap }) => tap.way))];
    const names = scope.separate ? ways.flatMap((way) => base.map((name) => counterOf(name, way))) : base;
    const nft = [...inNamespace(namespace), "nft"];
    const list = [...nft, "list", "table", "netdev", table];
    parts.apply.push({ argv: [...nft, "-f", "-"], stdin: tableText(table, scope, names, own) });
    parts.verify.push({ argv: list });
    parts.undo.push({ argv: [...nft, "delete", "table", "netdev", table], ignoreFailure: true });
    parts.undone.push({ argv: ["!", ...list] });
    parts.heartbeat.push({ argv: [...nft, "-f", "-"], stdin: refreshText(table) });
    parts.effect.push(...names.map((name) => nftCounter(nft, table, name)));
  }
  return parts;
}

/** Name of a counter at a tap: each direction has its own where each is counted by itself. */
export function counterAt({ separate }: Pick<Scope, "separate">, name: string, { way }: Pick<Tap, "way">): string {
  return separate ? counterOf(name, way) : name;
}

function nftCounter(nft: string[], table: string, name: string): EffectCounter {
  const argv = [...nft, "-j", "list", "counter", "netdev", table, name];
  return { name, argv, parse: { kind: "nftCounter", counter: name } };
}

function tableText(table: string, scope: Scope, counters: string[], actions: TapAction[]): string {
  const lines = [
    `table netdev ${table} {`,
    "  set armed {",
    "    type ether_type",
    "    flags timeout",
    "  }",
    ...counters.flatMap((name) => [`  counter ${name} {`, "  }"]),
    ...actions.flatMap((action, index) => chainLines(action, index, scope)),
    "}",
  ];
  return `${lines.join("\n")}\n`;
}

function chainLines(
  { tap, rules, before = [], sets = [], chains = [] }: TapAction,
  index: number,
  scope: Scope,
): string[] {
  const count = (name: string): string => `counter name ${counterAt(scope, name, tap)}`;
  const countProbe = (name: string): string => count(probeCounter(name));
  const entries = (how: (name: string) => string, chain: string, ...more: string[]): string[] =>
    flowMatches(scope.flow, scope.bothWays).map((match) =>
      ["    meta protocol @armed", match, ...more, how("matched"), `goto ${chain}`].filter(Boolean).join(" "),
    );
  return [
    ...sets.flatMap((text) => text.split("\n").map((line) => `  ${line}`)),
    ...chains.flatMap((chain) => [
      `  chain ${chain.name} {`,
      ...chain.rules(count).map((rule) => `    ${rule}`),
      "  }",
    ]),
    `  chain act${index} {`,
    ...rules(count).map((rule) => `    ${rule}`),
    "  }",
    // A chain of their own: probes must not move the pattern that chooses among the target's packets.
    ...(scope.probes ? [`  chain probe${index} {`, ...rules(countProbe).map((rule) => `    ${rule}`), "  }"] : []),
    `  chain tap${index} {`,
    `    type filter hook ${tap.hook} device "${tap.device}" priority -100; policy accept;`,
    ...before.map((rule) => `    ${rule}`),
    ...exemptMatches(scope.exempt).map((match) => `    ${match} accept`),
    ...(scope.probes ? entries(countProbe, `probe${index}`, probeMatch) : []),
    ...entries(count, `act${index}`),
    "  }",
  ];
}

function refreshText(table: string): string {
  const elements = (timeout: string): string => `{ ip${timeout}, ip6${timeout} }`;
  return [
    `add element netdev ${table} armed ${elements(" timeout {timeout}ms")}`,
    `delete element netdev ${table} armed ${elements("")}`,
    `add element netdev ${table} armed ${elements(" timeout {timeout}ms")}`,
    "",
  ].join("\n");
}
