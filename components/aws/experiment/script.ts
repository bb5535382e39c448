import { compile } from "../../runtime/faults/compile";
import { quote } from "../../runtime/faults/commands";
import type { Capabilities, Fault, FaultPlan, ResolvedTarget } from "../../runtime/faults/plan";
import { renderScript } from "../../runtime/faults/script";

/**
 * What guests are taken to have: the kernels of Amazon Linux 2023, Ubuntu 22.04 and Debian 12 or newer. A guest that
 * lacks something fails with the command that did not work, before anything is broken.
 */
export const guestCapabilities: Capabilities = {
  netem: true,
  tbf: true,
  htb: true,
  nftNetdevIngress: true,
  nftNetdevEgress: true,
  vxlan: true,
  cgroup: "v2",
  systemdRun: true,
  atd: true,
  ethtool: true,
  mirred: true,
  ifb: true,
};

/** Name that stands for the n-th device of a machine until the script has found the real one. */
export function devicePlaceholder(index: number): string {
  return `SNDEVICE${index}`;
}

/** One stretch in which the fault is active: how long to wait before it, in seconds. */
export interface QuietTime {
  beforeSeconds: number;
}

/** What {@link documentScript} is made of. */
export interface ScriptSettings {
  fault: Fault;
  /** The target with placeholders for devices; for a host of cgroup v1 too when control groups are used. */
  target: ResolvedTarget;
  legacyTarget?: ResolvedTarget;
  capabilities: Capabilities;
  /** For each device the addresses of which a machine has one. */
  addresses: string[][];
  /** The stretches of the fault. */
  quiet: QuietTime[];
  /** Slice of systemd that ends the fault, apart from what it hits. Defaults to systemd's own. */
  slice?: string;
}

/** A compiled fault and the shell text that a document runs. */
export interface DocumentScript {
  plan: FaultPlan;
  text: string;
}

/**
 * The shell text of a document: makes sure that it runs in the shadow's VPC, finds the machine's devices by their
 * addresses, writes the compiled fault's script and runs it stretch by stretch. It sends the heartbeats itself, so that
 * a command that is cancelled, or an agent that dies, ends the fault within seconds.
 */
export function documentScript(settings: ScriptSettings): DocumentScript {
  const { fault, target, legacyTarget, capabilities, addresses, quiet, slice } = settings;
  const render = (of: ResolvedTarget): { plan: FaultPlan; text: string } => {
    const plan = compile(fault, of, capabilities);
    return { plan, text: renderScript(plan, { slice }) };
  };
  const own = render(target);
  const legacy = legacyTarget === undefined ? undefined : render(legacyTarget);
  const text = [
    `ID=${quote(fault.id)}`,
    vpcGuard,
    head(own.plan),
    ...devices(addresses),
    embedded("unified", own.text),
    ...(legacy === undefined ? [] : [embedded("legacy", legacy.text)]),
    ...(legacy === undefined ? ["WAY=unified\nreturn_home() { :; }"] : [chooseGroups, placement]),
    `QUIET='${quiet.map(({ beforeSeconds }) => hundredths(beforeSeconds)).join(" ")}'`,
    stretches,
  ].join("\n");
  return { plan: own.plan, text };
}

function head(plan: FaultPlan): string {
  const programs = [
    "sed",
    "awk",
    ...["nft", "tc", "ip", "ethtool", "ping"].filter((program) =>
      [...plan.apply, ...plan.undo].some(({ argv }) => argv.some((part) => new RegExp(`\\b${program}\\b`).test(part))),
    ),
  ];
  return `[ "$(id -u)" -eq 0 ] || fail root "the commands need root"
for PROGRAM in ${programs.join(" ")}; do
  command -v "$PROGRAM" >/dev/null 2>&1 || fail programs "$PROGRAM is missing; put it into the image"
done
FOLDER="/run/shadownet/documents/$ID"
mkdir -p "$FOLDER" && chmod 700 "$FOLDER" || fail folder "cannot write to $FOLDER"
`;
}

/** Production has the same addresses, so only the id of the VPC tells a clone from the original. */
export const vpcGuard = `VPC='{{ VpcId }}'
LC_ALL=C
PATH=$PATH:/usr/sbin:/sbin:/usr/bin:/bin
export LC_ALL PATH
fail() {
  printf '{"fault":"%s","event":"failed","step":"%s","message":"%s"}\\n' "$ID" "$1" "$2"
  exit 1
}
command -v curl >/dev/null 2>&1 || fail programs "curl is missing; put it into the image"
METADATA=http://169.254.169.254/latest
TOKEN=$(curl -sf -m 5 -X PUT -H 'X-aws-ec2-metadata-token-ttl-seconds: 60' "$METADATA/api/token") ||
  fail vpc "the instance metadata does not answer"
ask() { curl -sf -m 5 -H "X-aws-ec2-metadata-token: $TOKEN" "$METADATA/meta-data/$1"; }
CARD=$(ask mac) && HERE=$(ask "network/interfaces/macs/$CARD/vpc-id") || fail vpc "the instance metadata does not say in which VPC this is"
[ "$HERE" = "$VPC" ] || fail vpc "this machine is in $HERE and not in the shadow $VPC; nothing was done"
`;

function devices(addresses: readonly string[][]): string[] {
  if (addresses.length === 0) return [`write_script() { cat >"$FOLDER/$1.sh"; }`];
  const lines = [
    `device_of() {
  ip -o addr show | awk -v wanted=" $1 " '{ split($4, parts, "/"); if (index(wanted, " " parts[1] " ")) { print $2; exit } }'
}`,
    ...addresses.map((list, index) => {
      const missing = `fail devices "no device of this machine has one of the addresses that link ${index + 1} of the target has"`;
      return `DEVICE${index}=$(device_of '${list.join(" ")}')
case $DEVICE${index} in '' | *[!A-Za-z0-9_.-]*) ${missing} ;; esac`;
    }),
  ];
  const swaps = addresses.map((_, index) => `-e "s/${devicePlaceholder(index)}/$DEVICE${index}/g"`).join(" ");
  return [...lines, `write_script() { sed ${swaps} >"$FOLDER/$1.sh"; }`];
}

function embedded(name: string, script: string): string {
  return `write_script ${name} <<'SHADOWNET_FAULT' || fail script "cannot write the script"\n${script}\nSHADOWNET_FAULT`;
}

const chooseGroups = `if [ -e /sys/fs/cgroup/cgroup.controllers ]; then
  WAY=unified
  echo '+cpu +memory +io' >/sys/fs/cgroup/cgroup.subtree_control 2>/dev/null
else
  WAY=legacy
fi`;

/** The commands themselves leave the group whose processor, memory or disk is taken away, and its parent's at the end. */
const placement = `ROOTS='/sys/fs/cgroup /sys/fs/cgroup/cpu /sys/fs/cgroup/memory /sys/fs/cgroup/blkio'
for GROUP in $ROOTS; do
  [ -e "$GROUP/cgroup.procs" ] || continue
  mkdir -p "$GROUP/shadownet-commands" 2>/dev/null && echo "$$" >"$GROUP/shadownet-commands/cgroup.procs" 2>/dev/null
done
return_home() {
  for GROUP in $ROOTS; do
    [ -d "$GROUP/shadownet-commands" ] || continue
    echo "$$" >"$GROUP/cgroup.procs" 2>/dev/null
    rmdir "$GROUP/shadownet-commands" 2>/dev/null
  done
}`;

const stretches = `SCRIPT="$FOLDER/$WAY.sh"
finish() {
  trap '' TERM INT HUP
  sh "$SCRIPT" stop >/dev/null 2>&1
  return_home
  rm -rf "$FOLDER"
}
trap 'finish; fail cancelled "the command was cancelled; the fault is undone"' TERM INT HUP
for TIME in $QUIET; do
  [ "$TIME" -eq 0 ] || sleep "$((TIME / 100)).$(printf %02d $((TIME % 100)))"
  sh "$SCRIPT" start || { finish; exit 1; }
  while :; do
    sleep 1
    ANSWER=$(sh "$SCRIPT" heartbeat)
    case $ANSWER in *'"event":"alive"'*) ;; *) break ;; esac
  done
  sh "$SCRIPT" effect
  printf '%s\\n' "$ANSWER"
  case $ANSWER in
    *'"reason":"timer"'*) sh "$SCRIPT" stop || { finish; exit 1; } ;;
    *) finish; exit 1 ;;
  esac
done
finish
`;

/** Shells count in whole numbers. */
function hundredths(seconds: number): number {
  return Math.round(seconds * 100);
}
