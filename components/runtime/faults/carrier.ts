import { ipIn, shell, words } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import type { ResolvedLink } from "./plan";

/** Cuts the carrier of every link of the target; established connections are cut too. */
export function compileLinkDown({ target }: CompileContext): CompiledKind {
  const parts = target.links.map((link, index) => cutLink(link, index));
  return {
    mechanism: "carrier",
    selfHealing: false,
    apply: parts.map(({ apply }) => apply),
    verify: parts.map(({ verify }) => verify),
    undo: parts.map(({ undo }) => undo),
    undone: parts.map(({ undone }) => undone),
    heartbeat: [],
    effect: parts.map(({ effect }) => effect),
    notes: ["established connections are cut too; both families and every other protocol on the link are down"],
  };
}

function cutLink(link: ResolvedLink, index: number) {
  const show = words(ipIn(link.namespace, "-o", "link", "show", "dev", link.device));
  const set = words(ipIn(link.namespace, "link", "set", "dev", link.device));
  const was = `{state}/up${index}`;
  const isUp = `${show} up 2>/dev/null | grep -q .`;
  const save = link.side === "machine" ? saveAddresses(link, index) : "";
  const restore = link.side === "machine" ? restoreAddresses(link, index) : "";
  return {
    apply: shell(`${isUp} || { echo "${link.name} is down already" >&2; exit 1; }\n${save}: >${was}\n${set} down`),
    verify: shell(`! ${isUp}`),
    undo: shell(`[ ! -e ${was} ] || ! ${show} >/dev/null 2>&1 || { ${set} up${restore}; }`),
    undone: shell(`[ ! -e ${was} ] || ! ${show} >/dev/null 2>&1 || ${isUp}`),
    effect: {
      name: "down",
      argv: ["sh", "-c", `if ${isUp}; then echo 0; else echo 1; fi`],
      parse: { kind: "number" as const },
    },
  };
}

/** The kernel forgets IPv6 addresses and every route of an interface that goes down; a switch port has none. */
function saveAddresses(link: ResolvedLink, index: number): string {
  const ip = (...args: string[]): string => words(ipIn(link.namespace, ...args));
  return [
    `${ip("-6", "addr", "save", "dev", link.device, "scope", "global")} >{state}/addresses${index}`,
    `${ip("-6", "route", "save", "dev", link.device)} >{state}/routes6${index}`,
    `${ip("-4", "route", "save", "dev", link.device)} >{state}/routes4${index}\n`,
  ].join("\n");
}

function restoreAddresses(link: ResolvedLink, index: number): string {
  const restore = (what: string, file: string): string =>
    `; ${words(ipIn(link.namespace, what, "restore"))} <{state}/${file}${index} 2>/dev/null`;
  return `${restore("addr", "addresses")}${restore("route", "routes4")}${restore("route", "routes6")}; true`;
}
