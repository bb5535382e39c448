import { inNamespace, ipIn, shell, shortName, words } from "./commands";
import { type Detour, returnFrom } from "./detour";
import type { Way } from "./match";
import { type Tap, counterAt } from "./nft";
import type { EffectCounter } from "./plan";
import type { DelayModel, RelayConfig, RelayReport } from "./relay/model";

const relayAddress = "169.254.77.2";
const tunnelAddress = "169.254.77.1";
const port = 4789;

/** What of the relay's report proves the fault. */
const relayCounters = ["delayed", "overflowed", "late", "heldMicroseconds"] satisfies (keyof RelayReport)[];

/** Settings of {@link relayDetours}. */
export interface RelaySettings {
  modelOf: (way: Way) => DelayModel;
  seed: number;
  /** Starts the relay; the path of its configuration is added. */
  command: string[];
  /** Whether each direction is reported by itself. */
  separate: boolean;
}

/**
 * Detours through the relay, a process in user space that holds packets. It lives in a namespace of its own, connected
 * by a cable to a second one that holds the underlay of the VXLAN devices; only those devices are seen at the taps.
 * The first detour starts the relay and the last one ends it.
 */
export function relayDetours(id: string, taps: Tap[], settings: RelaySettings): Detour[] {
  const { underlay, home } = relayNamespaces(taps[0]?.namespace, id);
  const config: RelayConfig = {
    state: "{state}",
    listen: relayAddress,
    port,
    returnTo: tunnelAddress,
    taps: taps.map(({ link, way }, index) => ({
      name: `${link.name} ${way}`,
      seed: settings.seed + index,
      model: settings.modelOf(way),
      ...(settings.separate ? { way } : {}),
    })),
    limit: 100_000,
  };
  const own = relayCounters.flatMap((name) => [...new Set(taps.map(({ way }) => counterAt(settings, name, { way })))]);
  const devices = taps.map((tap, index) => ({ tap, device: shortName("snv", id, `${index}`) }));
  const start = [
    { argv: ["tee", "{state}/relay.config"], stdin: JSON.stringify(config) },
    {
      argv: [...inNamespace(home), ...settings.command, "{state}/relay.config"],
      background: { pidFile: "{state}/relay.pid" },
    },
    shell(waitFor("[ -e {state}/relay.json ]", "the delay relay did not start")),
  ];
  const remove = [home, underlay].map((name) => ({ argv: ["ip", "netns", "delete", name], ignoreFailure: true }));
  return devices.map(({ tap, device }, index) => {
    const last = index === devices.length - 1;
    return {
      tap,
      device,
      apply: [
        ...(index === 0 ? [shell(cable(underlay, home))] : []),
        shell(tunnel(tap, device, index + 1, underlay)),
        ...(last ? start : []),
      ],
      undo: [
        ...(index === 0 ? [shell(endProcess("{state}/relay.pid"))] : []),
        { argv: ipIn(tap.namespace, "link", "delete", device), ignoreFailure: true },
        ...(last ? remove : []),
      ],
      undone: [
        { argv: ["!", ...ipIn(tap.namespace, "link", "show", "dev", device)] },
        ...(last ? [home, underlay].map((name) => shell(`! ip netns list | grep -q '^${name}\\b'`)) : []),
      ],
      effect: last ? own.map(relayCounter) : [],
    };
  });
}

/** Network namespaces of a relay, named after its place too: faults of one id may be on in several networks at once. */
export function relayNamespaces(place: string | undefined, id: string): { underlay: string; home: string } {
  const parts = place === undefined ? [id] : [place, id];
  return { underlay: shortName("snu", ...parts), home: shortName("snr", ...parts) };
}

function cable(underlay: string, home: string): string {
  const ends = ["u0", "mtu", "65000", "type", "veth", "peer", "name", "u1", "mtu", "65000", "netns", home];
  return [
    words(["ip", "netns", "add", underlay]),
    words(["ip", "netns", "add", home]),
    words(ipIn(underlay, "link", "add", ...ends)),
    words(ipIn(underlay, "addr", "add", `${tunnelAddress}/30`, "dev", "u0")),
    words(ipIn(home, "addr", "add", `${relayAddress}/30`, "dev", "u1")),
    words(ipIn(underlay, "link", "set", "u0", "up")),
    words(ipIn(home, "link", "set", "u1", "up")),
  ].join(" &&\n");
}

/** The device's own offloads are off, so that the kernel cuts and sums packets before they are held. */
function tunnel(tap: Tap, device: string, identifier: number, underlay: string): string {
  const place = tap.namespace ?? '"$$"';
  const tunnelEnds = ["local", tunnelAddress, "remote", relayAddress, "dstport", `${port}`, "nolearning", "gbp"];
  const offloads = ["tx", "off", "gso", "off", "tso", "off", "gro", "off"];
  return [
    words(ipIn(underlay, "link", "add", device, "mtu", "64900", "type", "vxlan", "id", `${identifier}`, ...tunnelEnds)),
    `${words(ipIn(underlay, "link", "set", device, "netns"))} ${place}`,
    `${words([...inNamespace(tap.namespace), "ethtool", "-K", device, ...offloads])} >/dev/null`,
    ...returnFrom(device, tap),
  ].join(" &&\n");
}

function relayCounter(name: string): EffectCounter {
  const argv = ["sed", "-n", `s/.*"${name}":\\([0-9]*\\).*/\\1/p`, "{state}/relay.json"];
  return { name, argv, parse: { kind: "number" } };
}

/** Waits up to ten seconds for a condition, and no longer when the fault is ended meanwhile. */
export function waitFor(condition: string, otherwise: string): string {
  return `tries=0\nuntil ${condition}; do
  tries=$((tries + 1))
  [ "$tries" -lt 200 ] && [ ! -e {state}/ended ] || { echo "${otherwise}" >&2; exit 1; }
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
