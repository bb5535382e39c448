import type { Flow } from "../../experiment";
import { cidrContains, hostRange, parseAddress } from "../../internal/cidr";
import { inNamespace, shell, words } from "./commands";
import type { CompileContext } from "./context";
import type { EffectCounter, PlanCommand, ResolvedLink } from "./plan";

/** Probes in one reading, and the time between two of them. */
const batch = 5;
const everySeconds = 0.1;

/** Eight bytes that a probe carries behind its time: they tell it from all other packets, also on its way back. */
const mark = Buffer.from("snprobes").toString("hex");

/** nft match for probe packets of either family and direction. */
export const probeMatch = `meta l4proto { icmp, ipv6-icmp } @th,192,64 0x${mark}`;

/** What sends probe packets around a fault, as parts of its plan. */
export interface ProbeParts {
  /** Probes sent before anything is broken; they must be answered. */
  before: PlanCommand[];
  /** Probes sent while the fault is on. */
  during: PlanCommand[];
  undo: PlanCommand[];
  effect: EffectCounter[];
  notes: string[];
}

/** Pings across every link of a fault that asks for them; what cannot be probed is a problem. */
export function probeParts(context: CompileContext): ProbeParts {
  const none: ProbeParts = { before: [], during: [], undo: [], effect: [], notes: [] };
  if (context.fault.probePackets !== true || cannotProbe(context)) return none;
  const patience = patienceSeconds(context);
  const targets = context.target.links.flatMap((link) => {
    const end = ownEnd(link, context);
    const pings = (address: string): string => words([address, ...ping(end, address, patience)]);
    return end === undefined ? [] : addressesOf(link, context).map(pings);
  });
  const addresses = [...new Set(targets.map((target) => target.split(" ")[0]!))];
  return {
    before: [shell(beforeText(targets))],
    during: [
      { argv: ["tee", "{state}/probes.sh"], stdin: duringText(targets) },
      { argv: ["sh", "{state}/probes.sh"], background: { pidFile: "{state}/probes.pid" } },
    ],
    undo: [shell(endText)],
    effect: [...countersIn("probes.during", ""), ...countersIn("probes.before", "Before")],
    notes: [`ten probe packets a second (pings) go to ${addresses.join(", ")} and are counted apart from all others`],
  };
}

function cannotProbe({ target: { flow }, problem }: CompileContext): boolean {
  const parts = [flow?.sourcePorts, flow?.destinationPorts, flow?.state];
  const carries = flow?.protocol === undefined || flow.protocol === "icmp" || flow.protocol === "any";
  if (carries && parts.every((part) => part === undefined)) return false;
  const reason =
    "probe packets are pings, and none belongs to a flow with ports or of tcp or udp; leave probePackets out, or name the flow by addresses alone";
  problem({ path: "fault.probePackets", reason });
  return true;
}

interface End {
  device: string;
  namespace?: string;
}

/** The end of the cable from which the target itself speaks. */
function ownEnd(link: ResolvedLink, { problem }: CompileContext): End | undefined {
  if (link.side === "machine") return { device: link.device, namespace: link.namespace };
  if (link.peer !== undefined) return link.peer;
  const reason = `only the network's side of ${link.name} is known, and probes must start at the other end; leave probePackets out`;
  problem({ path: "fault.probePackets", reason });
  return undefined;
}

function addressesOf(link: ResolvedLink, { fault, target, problem }: CompileContext): string[] {
  const asked = fault.probeAddresses;
  const candidates = asked ?? flowEnds(target.flow, link) ?? link.probeAddresses ?? [];
  const families = new Set(link.addresses.map((address) => parseAddress(address)?.family));
  const usable = candidates.filter((address) => families.size === 0 || families.has(parseAddress(address)?.family));
  const outside = usable.find((address) => !inFlow(address, target.flow, link) || isManagement(address, target.exempt));
  if (usable.length > 0 && outside === undefined) return usable;
  const path = "fault.probeAddresses";
  if (outside !== undefined) {
    const where = inFlow(outside, target.flow, link) ? "in what the fault lets be" : "outside the flow";
    problem({ path, reason: `${outside} lies ${where}, so probes to it do not cross the fault; name another address` });
  } else if (candidates.length > 0) {
    problem({ path, reason: `${link.name} has no address of the family of ${candidates.join(", ")}; name others` });
  } else {
    problem({ path, reason: `missing; nobody is known to answer pings behind ${link.name}, so name addresses` });
  }
  return [];
}

/** The single addresses that a flow names, but for the link's own; undefined when it names none. */
function flowEnds(flow: Flow | undefined, { addresses }: ResolvedLink): string[] | undefined {
  const named = [flow?.destinationCidr, flow?.sourceCidr].flatMap((cidr) => singleAddress(cidr) ?? []);
  const others = named.filter((address) => !addresses.includes(address));
  return others.length === 0 ? undefined : others;
}

function singleAddress(cidr: string | undefined): string | undefined {
  const [address = "", length] = (cidr ?? "").split("/");
  const family = parseAddress(address)?.family;
  if (family === undefined) return undefined;
  return length === undefined || Number(length) === (family === 4 ? 32 : 128) ? address : undefined;
}

/** Whether each range that a flow names holds the address or the link's own end. */
function inFlow(address: string, flow: Flow | undefined, { addresses }: ResolvedLink): boolean {
  const ranges = [flow?.sourceCidr, flow?.destinationCidr].filter((range) => range !== undefined);
  return ranges.every((range) => [address, ...addresses].some((end) => cidrContains(wholeRange(range), end)));
}

function isManagement(address: string, exempt: readonly Flow[]): boolean {
  return exempt.some(({ protocol, sourcePorts, destinationPorts, sourceCidr, destinationCidr }) => {
    if ((protocol ?? sourcePorts ?? destinationPorts) !== undefined) return false;
    return [sourceCidr, destinationCidr].some(
      (range) => range !== undefined && cidrContains(wholeRange(range), address),
    );
  });
}

function wholeRange(text: string): string {
  return text.includes("/") ? text : hostRange(text);
}

/** Longer than the longest round trip that the fault itself makes. */
function patienceSeconds({ ways, on }: CompileContext): number {
  const longest = ways
    .map(on)
    .map(({ delayMilliseconds = 0, jitterMilliseconds = 0 }) => delayMilliseconds + 4 * jitterMilliseconds);
  return 1 + Math.ceil(longest.reduce((sum, value) => sum + value, 0) / 1000);
}

function ping(end: End | undefined, address: string, patience: number): string[] {
  const timing = ["-c", `${batch}`, "-i", `${everySeconds}`, "-W", `${patience}`];
  return [...inNamespace(end?.namespace), "ping", "-n", "-q", ...timing, "-p", mark, "-I", end?.device ?? "", address];
}

/** Notes one batch: address, sent, answered, microseconds of all round trips; what cannot be sent is not answered. */
const noteBatch = `note() {
  file=$1
  address=$2
  shift 2
  line=$("$@" 2>/dev/null | awk '
    /packets transmitted/ { sent = $1; answered = $4 }
    /min\\/avg/ { split($0, halves, "= "); split(halves[2], times, "/") }
    END { if (sent > 0) printf "%d %d %d", sent, answered, answered * times[2] * 1000 }')
  echo "$address \${line:-${batch} 0 0}" >>"$file"
  [ -n "$line" ]
}`;

function beforeText(targets: readonly string[]): string {
  return `# probe packets before the fault
once() { # neighbours are looked up before anything is measured
  shift
  "$@" >/dev/null 2>&1
}
command -v ping >/dev/null || { echo "ping is missing; install iputils-ping" >&2; exit 1; }
${noteBatch}
${targets.map((target) => `{ once ${target}; note {state}/probes.before ${target}; } &`).join("\n")}
wait
silent=$(awk '$3 == 0 { printf "%s%s", gap, $1; gap = ", " }' {state}/probes.before)
[ -z "$silent" ] || {
  echo "no answer from $silent before the fault; name addresses that answer pings in probeAddresses" >&2
  exit 1
}`;
}

/** Waits until the fault is on, so that no probe passes before it and is taken for one that it let pass. */
function duringText(targets: readonly string[]): string {
  return `${noteBatch}
each() {
  while [ ! -e {state}/ended ]; do note {state}/probes.during "$@" || sleep 0.5; done
}
until [ -e {state}/applied ]; do
  [ ! -e {state}/ended ] || exit 0
  sleep 0.1
done
sleep 0.2
${targets.map((target) => `each ${target} &`).join("\n")}
wait`;
}

/** The sender and its pings are a group of their own. */
const endText = `# end the probe packets
[ ! -s {state}/probes.pid ] || {
  pid=$(cat {state}/probes.pid)
  ! { tr '\\0' ' ' <"/proc/$pid/cmdline"; } 2>/dev/null | grep -q '{state}' || kill -9 "-$pid"
}`;

function countersIn(file: string, suffix: string): EffectCounter[] {
  return ["probesSent", "probesAnswered", "probesMicroseconds"].map((name, index) => ({
    name: `${name}${suffix}`,
    argv: ["awk", `{ sum += $${index + 2} } END { printf "%d", sum }`, `{state}/${file}`],
    parse: { kind: "number" },
  }));
}
