import { join } from "node:path";

import type { Workload } from "../../topology";
import { type MachineCgroups, limitFiles, machineCgroups } from "./cgroups";
import { machineFolder, machineNamespace } from "./names";
import { remountLines } from "./disk";
import { namespacePath, quote } from "./namespaces";
import type { LabMachineSpec } from "./specs";

/** PATH of a workload whose topology gives none. */
export const defaultPath = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/** Where a machine finds the Node that the lab runs on, wherever that lies on the host, before any other. */
const ownPrograms = "/run/shadownet/bin";

/** Folder that a workload starts in when its topology gives none; the machine's data folder is mounted there. */
export const defaultFolder = "/srv";

/** Name of the script that is the first process of every machine with a workload. */
export const initScriptName = "init.sh";

/** The shell scripts of a machine with a workload, by file name; they need nothing else of ours to be running. */
export function machineScripts(spec: LabMachineSpec, workload: Workload): Record<string, string> {
  return {
    "start.sh": startScript(spec, workload),
    [initScriptName]: initScript(spec, workload),
    "crash.sh": crashScript(spec),
    "alive.sh": aliveScript(spec),
  };
}

function startScript(spec: LabMachineSpec, { command, environment }: Workload): string {
  const { network, machine } = spec;
  const namespace = namespacePath(machineNamespace(network, machine));
  const cgroups = machineCgroups(network, machine);
  const groups = Object.values(cgroups).map((group) => quote(group as string));
  const limits = limitFiles(cgroups, spec.size).map(({ file, value }) => `echo ${quote(value)} > ${quote(file)}`);
  const variables = Object.entries({ PATH: defaultPath, ...environment }).map(([key, value]) =>
    quote(`${key}=${value}`),
  );
  return `#!/bin/sh
# Starts machine ${machine} of lab network ${network}; does nothing when it runs.
folder=${quote(machineFolder(network, machine))}

# Second step: in the machine's control groups and network, leave every namespace that it does not share.
if [ "$1" = launch ]; then
  for group in ${groups.join(" ")}; do
    echo $$ > "$group/cgroup.procs" || exit 1
  done
  exec setsid --wait nsenter --net=${quote(namespace)} \\
    unshare --mount --uts --ipc --pid --propagation private sh "$0" enter
fi

# Third step: the first child is process 1 of the new process namespace.
if [ "$1" = enter ]; then
  env -i ${variables.join(" ")} sh "$folder/${initScriptName}" ${command.map(quote).join(" ")} &
  read -r stat < "/proc/$!/stat" || exit 1
  set -- \${stat##*) }
  echo "$! \${20}" > "$folder/init.pid"
  exit 0
fi

exec 9> "$folder/start.lock"
flock -w 30 9 || { echo "${machine}: another start does not end" >&2; exit 1; }
sh "$folder/alive.sh" && exit 0
[ -e ${quote(namespace)} ] || { echo "${machine}: its network namespace is gone" >&2; exit 1; }
made=
for group in ${groups.join(" ")}; do
  [ -d "$group" ] || { mkdir -p "$group" && made=yes; }
done
if [ -n "$made" ]; then
  ${[...limits, ":"].join("\n  ")}
fi
${thawLines(cgroups)}
${remountLines(spec)}
rm -f "$folder/init.pid"
# The undo of a fault goes before ordinary programs; what it starts does not.
$SHADOWNET_PLAINLY sh "$0" launch < /dev/null > "$folder/workload.log" 2>&1 9>&-
sh "$folder/alive.sh" || { tail -n 20 "$folder/workload.log" >&2; exit 1; }
`;
}

/** Folder of what a machine with an image has written beside it. */
export const imageFolderName = "image";

/** Its command line keeps the workload's command, whatever the workload makes of its own. */
function initScript(spec: LabMachineSpec, { workingDirectory = defaultFolder }: Workload): string {
  const { network, machine, image } = spec;
  return `#!/bin/sh
# First process of machine ${machine}: its own files, then the workload; the machine ends when the workload does.
folder=${quote(machineFolder(network, machine))}
workload_path=$PATH
PATH=${defaultPath}
${rootLines(image)}
[ -d "$root/srv" ] || mkdir "$root/srv"
mount --bind "$folder/data" "$root/srv" || exit 1
for file in hosts resolv.conf; do
  [ ! -e "$root/etc/$file" ] || mount --bind "$folder/$file" "$root/etc/$file" || exit 1
done
mount -t tmpfs -o mode=755,size=16m tmpfs "$root/run" || exit 1
programs="$root${ownPrograms}"
if [ -x ${quote(process.execPath)} ]; then
  mkdir -p "$programs" && : > "$programs/node" && mount --bind ${quote(process.execPath)} "$programs/node" || exit 1
fi
mount -t tmpfs -o mode=1777,size=64m tmpfs "$root/tmp" || exit 1
mount -t proc proc "$root/proc" || exit 1
echo ${quote(machine)} > "$root/proc/sys/kernel/hostname"
${enterLines(image, workingDirectory)}
PATH=${ownPrograms}:$workload_path
"$@" &
child=$!
trap 'kill -TERM "$child"' TERM INT
while kill -0 "$child" 2> /dev/null; do
  wait "$child"
  code=$?
done
exit "$code"
`;
}

/** The files that the machine is to have, at `$root`: the host's, or an image's below what the machine writes. */
function rootLines(image: string | undefined): string {
  if (image === undefined) return "root=";
  const layers = `lowerdir=${image},upperdir=$folder/${imageFolderName}/written,workdir=$folder/${imageFolderName}/work`;
  return `root="$folder/${imageFolderName}/root"
mkdir -p "$root" "$folder/${imageFolderName}/written" "$folder/${imageFolderName}/work" || exit 1
mount -t overlay -o "${layers}" machine "$root" || exit 1
mkdir -p "$root/dev" "$root/sys" "$root/proc" "$root/run" "$root/tmp" "$root/etc" || exit 1
for file in hosts resolv.conf; do
  [ -e "$root/etc/$file" ] || : > "$root/etc/$file"
done
mount --rbind /dev "$root/dev" && mount --rbind /sys "$root/sys" || exit 1`;
}

/** The image covers the host's files in this namespace, so that whoever enters it sees the image too. */
function enterLines(image: string | undefined, workingDirectory: string): string {
  if (image === undefined) return `cd ${quote(workingDirectory)} || exit 1`;
  return `enter=$(command -v unshare)
cd "$root" && mount --move . / || exit 1
set -- "$enter" --root=. --wd=${quote(workingDirectory)} "$@"`;
}

function crashScript({ network, machine }: LabMachineSpec): string {
  return `#!/bin/sh
# Ends everything on machine ${machine} of lab network ${network} at once, as a power cut does.
folder=${quote(machineFolder(network, machine))}
sh "$folder/alive.sh" || exit 0
read -r pid started < "$folder/init.pid"
kill -9 "$pid"
${thawLines(machineCgroups(network, machine))}
tries=0
while sh "$folder/alive.sh"; do
  tries=$((tries + 1))
  [ "$tries" -lt 500 ] || { echo "${machine}: does not end" >&2; exit 1; }
  sleep 0.01
done
`;
}

/** Frozen processes neither start nor, on cgroup v1, die. */
function thawLines({ unified, freezer }: MachineCgroups): string {
  const lines = [
    ...(unified === undefined ? [] : [[join(unified, "cgroup.freeze"), "0"]]),
    ...(freezer === undefined ? [] : [[join(freezer, "freezer.state"), "THAWED"]]),
  ];
  return lines.map(([file, value]) => `[ ! -e ${quote(file!)} ] || echo ${value!} > ${quote(file!)}`).join("\n");
}

function aliveScript({ network, machine }: LabMachineSpec): string {
  return `#!/bin/sh
# Exit code 0 while machine ${machine} of lab network ${network} runs; its start time tells it from a later process.
read -r pid started 2> /dev/null < ${quote(join(machineFolder(network, machine), "init.pid"))} || exit 1
read -r stat 2> /dev/null < "/proc/$pid/stat" || exit 1
set -- \${stat##*) }
[ "\${20}" = "$started" ] && [ "$1" != Z ] && [ "$1" != X ]
`;
}
