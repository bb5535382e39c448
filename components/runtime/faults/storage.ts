import { gathered, number } from "./cgroup";
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

/** The host's own disk is not a machine's: filling it would hit everything else on the host. */
function ownDisk(name: string, folder: string): string {
  const place = (path: string): string => `"$(df -P ${path} | awk 'NR == 2 { print $6 }')"`;
  return `[ ${place(quote(folder))} != ${place("/")} ] || {
  echo "the data folder of ${name} lies on the disk of the host; give the machine a disk of its own" >&2
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
    return [throttle({ group: quote(group), unified: unified !== undefined, folder, index, left })];
  });
  const note = `${left / 10} % of the measured speed is left; cgroup v1 limits only what is read or written past the page cache`;
  return gathered(parts, [note]);
}

function throttle(settings: { group: string; unified: boolean; folder: string; index: number; left: number }) {
  const { group, unified, folder, index, left } = settings;
  const files = unified
    ? [`${group}/io.max`]
    : ["read", "write"].map((way) => `${group}/blkio.throttle.${way}_bps_device`);
  const device = `{state}/device${index}`;
  const probe = quote(`${folder}/.shadownet-speed`);
  const limit = unified ? '"$device rbps=$speed wbps=$speed"' : '"$device $speed"';
  const none = unified ? '"$(cat DEVICE) rbps=max wbps=max"' : '"$(cat DEVICE) 0"';
  const set = (file: string): string => `echo ${limit} >${file} || exit 1`;
  const clear = (file: string): string => `echo ${none.replace("DEVICE", device)} >${file} || exit 1`;
  const isSet = `grep -q "^$(cat ${device}) " ${files[0]!}`;
  return {
    apply: [
      shell(
        [
          `start=$(date +%s%N)`,
          `dd if=/dev/zero of=${probe} bs=1048576 count=32 conv=fdatasync 2>/dev/null || exit 1`,
          `rm -f ${probe}`,
          `elapsed=$((($(date +%s%N) - start) / 1000000 + 1))`,
          `speed=$((33554432 * ${left} / elapsed))`,
          `[ "$speed" -ge 65536 ] || speed=65536`,
          `number=$(stat -c %d ${quote(folder)})`,
          `device=$((number >> 8 & 4095)):$((number & 255))`,
          `[ -e "/sys/dev/block/$device/partition" ] && device=$(cat "/sys/dev/block/$device/../dev")`,
          `[ -e "/sys/dev/block/$device" ] || { echo "the data folder lies on no block device" >&2; exit 1; }`,
          `echo "$device" >${device}`,
          ...files.map(set),
        ].join("\n"),
      ),
    ],
    verify: [shell(isSet)],
    undo: [shell(`[ ! -s ${device} ] || [ ! -d ${group} ] || {\n${files.map(clear).join("\n")}\n}`)],
    undone: [shell(`[ ! -s ${device} ] || [ ! -d ${group} ] || ! ${isSet}`)],
    effect: [number("limited", `if ${isSet}; then echo 1; else echo 0; fi`)],
  };
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
