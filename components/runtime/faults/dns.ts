import { isIPv6 } from "node:net";

import { parseAddress } from "../../internal/cidr";
import { type SharedLimit, claimFolder, claimSteps } from "./claims";
import { quote } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import { type Rules, type TapAction, nftParts, tapsOf } from "./nft";
import type { ResolvedMachine } from "./plan";

const headerBytes = 12;
/** Longest comparison in one nft expression. */
const chunkBytes = 16;

/**
 * Makes names fail to resolve: answers of servers are changed on their way, by name; names that a machine knows from
 * a file of its own are taken out of it, or given the wrong address.
 */
export function compileDns(context: CompileContext): CompiledKind {
  const { fault, target } = context;
  const names = fault.names ?? [];
  names.forEach((name, index) => {
    if (!name.startsWith("*")) return;
    const reason = `"${name}": the kernel compares whole names; list each name that is to fail`;
    context.problem({ path: `fault.names[${index}]`, reason });
  });
  const actions = tapsOf(target.links, context.ways).map((tap): TapAction => ({
    tap,
    rules: (count) => [
      `meta l4proto tcp ${count("failed")} drop`,
      ...names.flatMap((name) => nameRules(name, context)(count)),
    ],
  }));
  const scope = { ...context.scope, flow: { destinationPorts: "53" }, bothWays: true };
  const nft = nftParts(fault.id, scope, ["failed"], actions);
  const files = target.machines.map((machine) => hostsSteps(machine, context)).filter((steps) => steps !== undefined);
  return {
    ...nft,
    mechanism: "nft",
    selfHealing: files.length === 0,
    apply: [...files.map(({ apply }) => apply), ...nft.apply],
    undo: [...nft.undo, ...files.map(({ undo }) => undo)],
    undone: [...nft.undone, ...files.map(({ undone }) => undone)],
    effect: [...nft.effect, ...files.map(({ effect }) => effect)],
    notes: [
      "names over UDP are broken one by one, DNS over TCP is cut; encrypted DNS is not touched",
      ...(files.length > 0 ? ["names that a machine reads from its hosts file are changed there"] : []),
    ],
  };
}

/** What happens to messages about one name; the name is compared as it is written in the question. */
function nameRules(name: string, { fault }: CompileContext): Rules {
  const wire = wireName(name);
  const about = chunks(wire)
    .map(({ offset, bytes }) => `@ih,${8 * (headerBytes + offset)},${8 * bytes.length} 0x${bytes.toString("hex")}`)
    .join(" ");
  const answer = `meta l4proto udp th sport 53 ${about}`;
  const code = (value: number): Rules => {
    const written = `@ih,16,16 set 0x${(0x8180 | value).toString(16)} @ih,48,16 set 0`;
    return (count) => [`${answer} ${written} ${count("failed")} accept`];
  };
  switch (fault.answer ?? "nxdomain") {
    case "nxdomain":
      return code(3);
    case "servfail":
      return code(2);
    case "timeout":
      return (count) => [`meta l4proto udp th dport 53 ${about} ${count("failed")} drop`];
    case "wrongAddress":
      return wrongAddressRules(answer, wire, fault.wrongAddress ?? "");
  }
}

/** The first record of an answer points back to the question, so its address lies at a known place. */
function wrongAddressRules(answer: string, wire: Buffer, address: string): Rules {
  const question = headerBytes + wire.length;
  const record = question + 4;
  const type = isIPv6(address) ? 28 : 1;
  const bits = type === 28 ? 128 : 32;
  const value = (parseAddress(address)?.value ?? 0n).toString(16).padStart(bits / 4, "0");
  const isAddress = `@ih,${8 * question},16 ${type} @ih,${8 * (record + 2)},16 ${type}`;
  const written = `@ih,${8 * (record + 12)},${bits} set 0x${value}`;
  return (count) => [`${answer} ${isAddress} ${written} ${count("failed")} accept`];
}

/** A name in the form of RFC 1035: each label after its length, then a zero. */
export function wireName(name: string): Buffer {
  const labels = name.toLowerCase().replace(/\.$/, "").split(".");
  return Buffer.concat([
    ...labels.flatMap((label) => [Buffer.from([label.length]), Buffer.from(label, "latin1")]),
    Buffer.from([0]),
  ]);
}

function chunks(wire: Buffer): { offset: number; bytes: Buffer }[] {
  const count = Math.ceil(wire.length / chunkBytes);
  return Array.from({ length: count }, (_, index) => {
    const offset = index * chunkBytes;
    return { offset, bytes: wire.subarray(offset, offset + chunkBytes) };
  });
}

/** The file is written in place: it is mounted into the machine, which would go on seeing the old one. */
function hostsSteps(machine: ResolvedMachine, { fault }: CompileContext) {
  const { hostsFile } = machine;
  if (hostsFile === undefined) return undefined;
  const file = quote(hostsFile);
  const wanted = (fault.names ?? []).map((name) => name.toLowerCase()).join(" ");
  const wrong = fault.answer === "wrongAddress" ? (fault.wrongAddress ?? "") : "-";
  const limit: SharedLimit = {
    name: hostsFile,
    present: `[ -e ${file} ]`,
    identity: `stat -c %i ${file}`,
    current: `cat ${file}`,
    combine: `cp "$CLAIM/original" "$CLAIM/text"
  for part in "$CLAIM"/by/*; do
    awk -v rule="$(cat "$part")" '${changeNames}' "$CLAIM/text" >"$CLAIM/text.new" && mv "$CLAIM/text.new" "$CLAIM/text"
  done
  cat "$CLAIM/text"`,
    put: `cat "$1" >${file}`,
  };
  const changed = `if same_text ${claimFolder(limit)}/original ${file}; then echo 0; else echo 1; fi`;
  const effect = { name: "hidden", argv: ["sh", "-c", changed], parse: { kind: "number" as const } };
  return { ...claimSteps(limit, quote(`${wrong} ${wanted}`)), effect };
}

/** Takes the names of a rule, an address or a hyphen before them, out of a hosts file; the address is given to them. */
const changeNames = `
  BEGIN { count = split(rule, list, " "); for (place = 2; place <= count; place++) broken[list[place]] = 1 }
  /^[ \\t]*#/ { print; next }
  {
    line = $1; kept = 0
    for (place = 2; place <= NF; place++) if (!(tolower($place) in broken)) { line = line " " $place; kept++ }
    if (kept > 0 || NF < 2) print line
  }
  END { if (list[1] != "-") for (place = 2; place <= count; place++) print list[1] " " list[place] }`;
