import { inNamespace, ipIn, shell, shortName, tcIn, words } from "./commands";
import type { Tap } from "./nft";
import type { EffectCounter, PlanCommand } from "./plan";
import { type DelayModel, type RelayConfig, type RelayReport, relayMark } from "./relay/model";

/** Rule that lets frames pass which the relay has sent back. */
export const passRelayed = `meta mark 0x${relayMark.toString(16)} accept`;

/** A tap and the device that leads to the relay. */
export interface RelayTap {
  tap: Tap;
  device: string;
}

const relayAddress = "169.254.77.2";
const tunnelAddress = "169.254.77.1";
const port = 4789;

/**
 * The relay beside the taps: it lives in a namespace of its own, connected by a cable to a second one that holds the
 * underlay of the VXLAN devices; only those devices are seen where the faults are. What comes back is put in again
 * where it was taken out.
 */
export function relayParts(
  id: string,
  taps: Tap[],
  settings: { model: DelayModel; seed: number; command: string[] },
): { taps: RelayTap[]; apply: PlanCommand[]; undo: PlanCommand[]; undone: PlanCommand[]; effect: EffectCounter[] } {
  const underlay = shortName("snu", id);
  const home = shortName("snr", id);
  const relayTaps = taps.map((tap, index) => ({ tap, device: shortName("snv", id, `${index}`) }));
  const config: RelayConfig = {
    state: "{state}",
    listen: relayAddress,
    port,
    returnTo: tunnelAddress,
    taps: taps.map(({ link, way }, index) => ({ name: `${link.name} ${way}`, seed: settings.seed + index })),
    model: settings.model,
    limit: 100_000,
  };
  return {
    taps: relayTaps,
    apply: [
      shell(cable(underlay, home)),
      ...relayTaps.map((tap, index) => shell(tunnel(tap, index + 1, underlay))),
      { argv: ["tee", "{state}/relay.config"], stdin: JSON.stringify(config) },
      {
        argv: [...inNamespace(home), ...settings.command, "{state}/relay.config"],
        background: { pidFile: "{state}/relay.pid" },
      },
      shell(waitFor("[ -e {state}/relay.json ]", "the delay relay did not start")),
    ],
    undo: [
      shell(endProcess("{state}/relay.pid")),
      ...relayTaps.map(({ tap, device }) => ({
        argv: ipIn(tap.namespace, "link", "delete", device),
        ignoreFailure: true,
      })),
      ...[home, underlay].map((name) => ({ argv: ["ip", "netns", "delete", name], ignoreFailure: true })),
    ],
    undone: [
      ...[home, underlay].map((name) => shell(`! ip netns list | grep -q '^${name}\\b'`)),
      ...relayTaps.map(({ tap, device }) => ({ argv: ["!", ...ipIn(tap.namespace, "link", "show", "dev", device)] })),
    ],
    effect: (["delayed", "overflowed", "late"] as const).map(relayCounter),
  };
}

function cable(underlay: string, home: string): string {
  return [
    words(["ip", "netns", "add", underlay]),
    words(["ip", "netns", "add", home]),
    words(
      ipIn(
        underlay,
        "link",
        "add",
        "u0",
        "mtu",
        "65000",
        "type",
        "veth",
        "peer",
        "name",
        "u1",
        "mtu",
        "65000",
        "netns",
        home,
      ),
    ),
    words(ipIn(underlay, "addr", "add", `${tunnelAddress}/30`, "dev", "u0")),
    words(ipIn(home, "addr", "add", `${relayAddress}/30`, "dev", "u1")),
    words(ipIn(underlay, "link", "set", "u0", "up")),
    words(ipIn(home, "link", "set", "u1", "up")),
  ].join(" &&\n");
}

/** The device's own offloads are off, so that the kernel cuts and sums packets before they are held. */
function tunnel({ tap, device }: RelayTap, identifier: number, underlay: string): string {
  const place = tap.namespace ?? '"$$"';
  const options = ["local", tunnelAddress, "remote", relayAddress, "dstport", `${port}`, "nolearning", "gbp"];
  const back = ["match", "u32", "0", "0", "action", "mirred", tap.hook, "redirect", "dev", tap.device];
  return [
    words(ipIn(underlay, "link", "add", device, "mtu", "64900", "type", "vxlan", "id", `${identifier}`, ...options)),
    `${words(ipIn(underlay, "link", "set", device, "netns"))} ${place}`,
    words([
      ...inNamespace(tap.namespace),
      "ethtool",
      "-K",
      device,
      "tx",
      "off",
      "gso",
      "off",
      "tso",
      "off",
      "gro",
      "off",
    ]) + " >/dev/null",
    words(tcIn(tap.namespace, "qdisc", "add", "dev", device, "ingress")),
    words(tcIn(tap.namespace, "filter", "add", "dev", device, "parent", "ffff:", "protocol", "all", "u32", ...back)),
    words(ipIn(tap.namespace, "link", "set", device, "addrgenmode", "none", "up")),
  ].join(" &&\n");
}

function relayCounter(name: keyof RelayReport): EffectCounter {
  const argv = ["sed", "-n", `s/.*"${name}":\\([0-9]*\\).*/\\1/p`, "{state}/relay.json"];
  return { name, argv, parse: { kind: "number" } };
}

/** Waits up to ten seconds for a condition. */
export function waitFor(condition: string, otherwise: string): string {
  return `tries=0\nuntil ${condition}; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] || { echo "${otherwise}" >&2; exit 1; }
  sleep 0.05\ndone`;
}

/** Ends a process of the fault whose id is in a file, gently for half a second. */
export function endProcess(pidFile: string): string {
  return `[ ! -s ${pidFile} ] || {
  pid=$(cat ${pidFile})
  ours() { tr '\\0' ' ' <"/proc/$pid/cmdline" | grep -q '{state}'; } 2>/dev/null
  tries=0
  ! ours || kill "$pid"
  while ours && [ "$tries" -lt 10 ]; do sleep 0.05; tries=$((tries + 1)); done
  ! ours || kill -9 "$pid"
}`;
}
