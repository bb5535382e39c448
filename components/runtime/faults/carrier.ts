import { type SharedLimit, claimFolder, claimSteps } from "./claims";
import { ipIn, shell, words } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import type { ResolvedLink } from "./plan";

/** Cuts the carrier of every link of the target; established connections are cut too. */
export function compileLinkDown({ target }: CompileContext): CompiledKind {
  const parts = target.links.map((link) => cutLink(link));
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

function cutLink(link: ResolvedLink) {
  const show = words(ipIn(link.namespace, "-o", "link", "show", "dev", link.device));
  const set = words(ipIn(link.namespace, "link", "set", "dev", link.device));
  const isUp = `${show} up 2>/dev/null | grep -q .`;
  const own = link.side === "machine";
  const limit: SharedLimit = {
    name: `carrier of ${link.namespace ?? "this host"} ${link.device}`,
    present: `${show} >/dev/null 2>&1`,
    identity: `${show} | cut -d : -f 1`,
    current: `if ${isUp}; then echo up; else echo down; fi`,
    combine: "echo down",
    put: own
      ? `${set} "$(cat "$1")" || return 1\n  [ "$(cat "$1")" != up ] || { ${restoreAddresses(link)}; }`
      : `${set} "$(cat "$1")"`,
    ...(own ? { remember: saveAddresses(link) } : {}),
  };
  const already = `[ -d ${claimFolder(limit)} ] || ${isUp} || { echo "${link.name} is down already" >&2; exit 1; }`;
  const { apply, undo, undone } = claimSteps(limit, "down", [already]);
  return {
    apply,
    verify: shell(`! ${isUp}`),
    undo,
    undone,
    effect: {
      name: "down",
      argv: ["sh", "-c", `if ${isUp}; then echo 0; else echo 1; fi`],
      parse: { kind: "number" as const },
    },
  };
}

/** The kernel forgets IPv6 addresses and every route of an interface that goes down; a switch port has none. */
function saveAddresses(link: ResolvedLink): string {
  const ip = (...args: string[]): string => words(ipIn(link.namespace, ...args));
  return [
    `${ip("-6", "addr", "save", "dev", link.device, "scope", "global")} >"$CLAIM/addresses"`,
    `${ip("-6", "route", "save", "dev", link.device)} >"$CLAIM/routes6"`,
    `${ip("-4", "route", "save", "dev", link.device)} >"$CLAIM/routes4"`,
  ].join("\n  ");
}

function restoreAddresses(link: ResolvedLink): string {
  const restore = (what: string, file: string): string =>
    `${words(ipIn(link.namespace, what, "restore"))} <"$CLAIM/${file}" 2>/dev/null`;
  return `${restore("addr", "addresses")}; ${restore("route", "routes4")}; ${restore("route", "routes6")}; true`;
}
