import { dirname } from "node:path";

import { gathered, number } from "./cgroup";
import { type SharedLimit, claimFolder, claimSteps, takeShares } from "./claims";
import { quote, shell } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import type { ResolvedMachine } from "./plan";

/** Fills a share of the free space of the machines' disks. */
export function compileDisk(context: CompileContext): CompiledKind {
  const share = Math.round((context.fault.sharePercent ?? 0) * 10);
  const parts = withDisk(context).map(({ machine, folder }) => {
    const file = quote(`${folder}/.shadownet-${context.fault.id}`);
    const free = `df -Pk ${quote(folder)} | awk 'NR == 2 { print $4 }'`;
    const fill = [
      ...(machine.namespace === undefined ? [] : [ownDisk(machine.name, folder)]),
      `free=$(${free})`,
      `size=$((free * ${share} / 1000))`,
      `fallocate -l "$size"KiB ${file} 2>/dev/null || dd if=/dev/zero of=${file} bs=1024 count="$size" 2>/dev/null`,
      `[ -s ${file} ]`,
    ];
    return {
      apply: [shell(fill.join("\n"))],
      verify: [shell(`[ -s ${file} ]`)],
      undo: [shell(`rm -f ${file}`)],
      undone: [shell(`[ ! -e ${file} ]`)],
      effect: [number("filledKibibytes", `du -k ${file} | cut -f 1`)],
    };
  });
  return gathered(parts, [`${share / 10} % of the free space is taken by a file in the machine's data folder`], "file");
}

/** The host's disk is not a machine's: filling it would hit everything else on the host. */
function ownDisk(name: string, folder: string): string {
  return `[ "$(stat -c %d ${quote(folder)})" != "$(stat -c %d ${quote(dirname(folder))})" ] || {
  echo "the data folder of ${name} lies on the disk of the host; give the machine one of its own (lab.diskMegabytes)" >&2
  exit 1
}`;
}

/** Takes a share of the speed of the machines' disks away, measured just before. */
export function compileIo(context: CompileContext): CompiledKind {
  const left = Math.round(1000 - 10 * (context.fault.sharePercent ?? 0));
  const parts = withDisk(context).flatMap(({ machine, folder }, index) => {
    const { unified, blkio } = machine.cgroups;
    const group = unified ?? blkio;
    if (group === undefined) {
      const reason = `${machine.name} has no control group of blkio; mount cgroup v2, or the v1 controllers (cgroupfs-mount)`;
      context.problem({ path: "target.machine", reason });
      return [];
    }
    const probe = quote(`${folder}/.shadownet-speed-${context.fault.id}`);
    return [
      throttle({ group: quote(group), unified: unified !== undefined, folder: quote(folder), probe, index, left }),
    ];
  });
  const note = `${left / 10} % of the measured speed is left; cgroup v1 limits only what is read or written past the page cache`;
  return gathered(parts, [note]);
}

interface ThrottleSettings {
  group: string;
  unified: boolean;
  folder: string;
  /** File that is written to measure the speed. */
  probe: string;
  index: number;
  left: number;
}

/** The speed is measured by the first of several such faults, before anything is taken away. */
function throttle({ group, unified, folder, probe, index, left }: ThrottleSettings) {
  const device = `{state}/device${index}`;
  const limit: SharedLimit = {
    name: `${group}/${unified ? "io.max" : "blkio.throttle"}`,
    present: `[ -d ${group} ]`,
    identity: `stat -c %i ${group}`,
    remember: `echo "$device" >"$CLAIM/device" && echo "$speed" >"$CLAIM/speed"`,
    ...(unified ? unifiedThrottle(group) : oldThrottle(group)),
    combine: `speed=$(cat "$CLAIM/speed")
  ${takeShares("speed")}
  [ "$speed" -ge 65536 ] || speed=65536
  echo "$speed $speed"`,
  };
  const steps = claimSteps(limit, `${left}`, measureSpeed(folder, probe, device));
  const original = `${claimFolder(limit)}/original`;
  const files = unified ? `${group}/io.max` : `${group}/blkio.throttle.write_bps_device`;
  const isSet = `[ -e ${original} ] && grep -q "^$(cat ${device}) " ${files}`;
  return {
    apply: [steps.apply],
    verify: [shell(isSet)],
    undo: [steps.undo, shell(`rm -f ${probe}`)],
    undone: [steps.undone],
    effect: [number("limited", `if ${isSet}; then echo 1; else echo 0; fi`)],
  };
}

/** Limits are a pair of bytes per second to read and to write. */
function unifiedThrottle(group: string): Pick<SharedLimit, "current" | "put"> {
  const value = (key: string): string =>
    `$(sed -n "s/^$(cat "$CLAIM/device") .*${key}=\\([0-9a-z]*\\).*/\\1/p" ${group}/io.max)`;
  return {
    current: `reads=${value("rbps")}
  writes=${value("wbps")}
  echo "\${reads:-max} \${writes:-max}"`,
    put: `read -r reads writes <"$1"
  echo "$(cat "$CLAIM/device") rbps=$reads wbps=$writes" >${group}/io.max`,
  };
}

function oldThrottle(group: string): Pick<SharedLimit, "current" | "put"> {
  const file = (way: string): string => `${group}/blkio.throttle.${way}_bps_device`;
  const value = (way: string): string => `$(sed -n "s/^$(cat "$CLAIM/device") //p" ${file(way)})`;
  return {
    current: `reads=${value("read")}
  writes=${value("write")}
  echo "\${reads:-0} \${writes:-0}"`,
    put: `read -r reads writes <"$1"
  echo "$(cat "$CLAIM/device") $reads" >${file("read")} && echo "$(cat "$CLAIM/device") $writes" >${file("write")}`,
  };
}

/** Written past the page cache where that is possible: a flush would wait for what everybody else has written too. */
function measureSpeed(folder: string, probe: string, device: string): string[] {
  return [
    `megabytes=$(df -Pk ${folder} | awk 'NR == 2 { free = int($4 / 2048); print (free > 8 ? 8 : free) }')`,
    `[ "$megabytes" -gt 0 ] || { echo "the disk is too full to measure its speed" >&2; exit 1; }`,
    `start=$(date +%s%N)`,
    `measure() { dd if=/dev/zero of=${probe} bs=1048576 count="$megabytes" "$1" 2>/dev/null; }`,
    "measure oflag=direct || measure conv=fdatasync || exit 1",
    `rm -f ${probe}`,
    `speed=$((megabytes * 1048576000 / (($(date +%s%N) - start) / 1000000 + 1)))`,
    `number=$(stat -c %d ${folder})`,
    `device=$((number >> 8 & 4095)):$((number & 255))`,
    `if [ -e "/sys/dev/block/$device/partition" ]; then device=$(cat "/sys/dev/block/$device/../dev"); fi`,
    `[ -e "/sys/dev/block/$device" ] || { echo "the data folder lies on no block device" >&2; exit 1; }`,
    `echo "$device" >${device}`,
  ];
}

function withDisk(context: CompileContext): { machine: ResolvedMachine; folder: string }[] {
  return context.target.machines.flatMap((machine) => {
    if (machine.dataFolder !== undefined) return [{ machine, folder: machine.dataFolder }];
    context.problem({
      path: "target.machine",
      reason: `${machine.name} has no disk; give it one, or choose another machine`,
    });
    return [];
  });
}
