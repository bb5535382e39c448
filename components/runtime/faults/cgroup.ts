import { type SharedLimit, claimFolder, claimSteps, takeShares } from "./claims";
import { shell, words } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import type { EffectCounter, PlanCommand, ResolvedMachine } from "./plan";
import { endProcess, waitFor } from "./relayPlan";

type Steps = Record<"apply" | "verify" | "undo" | "undone", PlanCommand[]> & { effect: EffectCounter[] };
type Controller = "cpu" | "memory" | "freezer" | "blkio";

const packages = "mount cgroup v2, or the v1 controllers (cgroupfs-mount)";

/** Stops every process of the machines without ending one; connections stay open and nobody answers. */
export function compileHang(context: CompileContext): CompiledKind {
  const parts = eachGroup(context, "freezer", (machine, folder, unified) => {
    const file = unified ? `${folder}/cgroup.freeze` : `${folder}/freezer.state`;
    const [frozen, thawed] = unified ? ["1", "0"] : ["FROZEN", "THAWED"];
    const isFrozen = unified ? `grep -q '^frozen 1' ${folder}/cgroup.events` : `grep -q FROZEN ${file}`;
    const limit: SharedLimit = {
      ...groupFile(folder, file),
      current: `if ${isFrozen}; then echo ${frozen}; else echo ${thawed}; fi`,
      combine: `echo ${frozen}`,
    };
    const already = `[ -d ${claimFolder(limit)} ] || ! ${isFrozen} || { echo "${machine.name} is frozen already" >&2; exit 1; }`;
    return {
      ...asLists(claimSteps(limit, "frozen", [already])),
      verify: [shell(waitFor(isFrozen, `${machine.name} did not freeze`))],
      effect: [number("frozen", `if ${isFrozen}; then echo 1; else echo 0; fi`)],
    };
  });
  return gathered(parts, ["every process is frozen; connections stay open, and the kernel still answers for them"]);
}

/** A file of a control group in which a limit stands; the group's inode tells it from a later one of its name. */
function groupFile(
  folder: string,
  file: string,
): Pick<SharedLimit, "name" | "present" | "identity" | "current" | "put"> {
  return {
    name: file,
    present: `[ -e ${file} ]`,
    identity: `stat -c %i ${folder}`,
    current: `cat ${file}`,
    put: `cat "$1" >${file}`,
  };
}

/** Takes a share of the machines' processor time away by a quota. */
export function compileCpu(context: CompileContext): CompiledKind {
  const left = leftOver(context);
  const parts = eachGroup(context, "cpu", (_, folder, unified, index) => {
    const file = unified ? `${folder}/cpu.max` : `${folder}/cpu.cfs_quota_us`;
    const period = unified ? "" : `\n  read -r period <${folder}/cpu.cfs_period_us`;
    const throttled = `sed -n 's/^nr_throttled //p' ${folder}/cpu.stat`;
    const limit: SharedLimit = {
      ...groupFile(folder, file),
      combine: `read -r quota ${unified ? "period " : ""}<"$CLAIM/original"${period}
  case $quota in max | -1) quota=$(($(getconf _NPROCESSORS_ONLN) * period)) ;; esac
  ${takeShares("quota")}
  [ "$quota" -ge 1000 ] || quota=1000
  echo "$quota${unified ? " $period" : ""}"`,
    };
    return {
      ...asLists(claimSteps(limit, `${left}`, [`${throttled} >{state}/throttled${index}`])),
      verify: [shell(`! same_text ${file} ${claimFolder(limit)}/original`)],
      effect: [number("throttled", `echo $(($(${throttled}) - $(cat {state}/throttled${index})))`)],
    };
  });
  const note = `${left / 10} % of the processor time that each machine may use is left; of several such faults each takes its share of what the others leave`;
  return gathered(parts, [note]);
}

/** Takes a share of the machines' memory away, by a lower limit or by a process that holds it. */
export function compileMemory(context: CompileContext): CompiledKind {
  const left = leftOver(context);
  const pressure = context.fault.memoryMode === "pressure";
  const parts = eachGroup(context, "memory", (_, folder, unified, index) => {
    const kills = unified
      ? `sed -n 's/^oom_kill //p' ${folder}/memory.events`
      : `sed -n 's/^oom_kill //p' ${folder}/memory.oom_control`;
    const effect = [number("outOfMemoryKills", `echo $(($(${kills}) - $(cat {state}/kills${index})))`)];
    const count = `${kills} >{state}/kills${index}`;
    if (!pressure) return lowerLimit(folder, unified, { left, count, effect });
    const file = `${folder}/${unified ? "memory.max" : "memory.limit_in_bytes"}`;
    const total = `total=$(cat ${file})\n${atMostMachine}`;
    return holdMemory(folder, { index, left, total, count, effect });
  });
  const how = pressure ? "held by a process in each machine's control group" : "taken away by a lower limit";
  return gathered(parts, [
    `${100 - left / 10} % of the memory is ${how}; the kernel kills processes when the rest does not do`,
  ]);
}

interface MemorySteps {
  index: number;
  /** Thousandths of the memory that are left. */
  left: number;
  /** Shell text that sets `total` to the bytes that the machine may use. */
  total: string;
  count: string;
  effect: EffectCounter[];
}

/** The limit is a whole number of pages, as the kernel keeps it. */
function lowerLimit(
  folder: string,
  unified: boolean,
  { left, count, effect }: Pick<MemorySteps, "left" | "count" | "effect">,
): Steps {
  const file = `${folder}/${unified ? "memory.max" : "memory.limit_in_bytes"}`;
  const limit: SharedLimit = {
    ...groupFile(folder, file),
    combine: `total=$(cat "$CLAIM/original")
  ${atMostMachine}
  ${takeShares("total")}
  page=$(getconf PAGESIZE)
  echo $((total / page * page))`,
    ...(unified ? {} : { put: lowerAsFarAsItGoes(file) }),
  };
  const original = `${claimFolder(limit)}/original`;
  return {
    ...asLists(claimSteps(limit, `${left}`, [count])),
    verify: [shell(`! same_text ${file} ${original}`)],
    effect: [
      ...effect,
      number("limited", `if [ ! -e ${original} ] || same_text ${file} ${original}; then echo 0; else echo 1; fi`),
    ],
  };
}

/**
 * cgroup v1 refuses a limit below what is in use and cannot be freed, so it is lowered as far as it goes. "No limit"
 * reads as a number that it does not take back.
 */
function lowerAsFarAsItGoes(file: string): string {
  return `read -r wanted <"$1"
  if same_text "$1" "$CLAIM/original"; then
    echo "$wanted" >${file} || echo -1 >${file}
    return
  fi 2>/dev/null
  page=$(getconf PAGESIZE)
  total=$(cat "$CLAIM/original")
  ${atMostMachine}
  step=$((total / 50 / page * page + page))
  until echo "$wanted" >${file}; do
    wanted=$((wanted + step))
    [ "$wanted" -lt "$total" ] || return 1
    echo "$wanted" | cksum >>"$CLAIM/ours"
  done 2>/dev/null`;
}

/** Bounds `total`, the bytes of a limit that may be none, by what the host has. */
const atMostMachine = `machine=$(($(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) * 1024))
  case $total in max) total=$machine ;; esac
  [ "$total" -le "$machine" ] || total=$machine`;

/** dd keeps its whole buffer for as long as nobody reads what it wants to write. */
function holdMemory(folder: string, { index, left, total, count, effect }: MemorySteps): Steps {
  const pidFile = `{state}/pressure${index}.pid`;
  const script = [
    "trap 'exit 0' TERM",
    `echo "$$" >${folder}/cgroup.procs || exit 1`,
    total,
    `size=$((total * ${1000 - left} / 1000))`,
    `mkfifo {state}/hold${index}`,
    `dd if=/dev/zero bs="$size" count=1 of={state}/hold${index} 2>/dev/null &`,
    "holder=$!",
    `exec 3<{state}/hold${index}`,
    'while [ ! -e {state}/ended ] && kill -0 "$holder" 2>/dev/null; do sleep 0.2; done',
    'kill -9 "$holder" 2>/dev/null',
    "",
  ].join("\n");
  return {
    apply: [
      shell(count),
      { argv: ["tee", `{state}/pressure${index}.sh`], stdin: script },
      { argv: ["sh", `{state}/pressure${index}.sh`], background: { pidFile } },
      shell(waitFor(`[ -p {state}/hold${index} ]`, "the process that holds memory did not start")),
    ],
    verify: [shell(`tr '\\0' ' ' <"/proc/$(cat ${pidFile})/cmdline" | grep -q '{state}'`)],
    undo: [shell(endProcess(pidFile))],
    undone: [
      shell(`[ ! -s ${pidFile} ] || ! tr '\\0' ' ' <"/proc/$(cat ${pidFile})/cmdline" 2>/dev/null | grep -q '{state}'`),
    ],
    effect,
  };
}

function asLists(steps: ReturnType<typeof claimSteps>): Pick<Steps, "apply" | "undo" | "undone"> {
  return { apply: [steps.apply], undo: [steps.undo], undone: [steps.undone] };
}

function leftOver({ fault }: CompileContext): number {
  return Math.round(1000 - 10 * (fault.sharePercent ?? 0));
}

/** Steps for each machine, in its group of one controller. */
function eachGroup(
  context: CompileContext,
  controller: Controller,
  steps: (machine: ResolvedMachine, folder: string, unified: boolean, index: number) => Steps,
): Steps[] {
  return context.target.machines.flatMap((machine, index) => {
    const { unified } = machine.cgroups;
    const folder = unified ?? machine.cgroups[controller];
    if (folder !== undefined) return [steps(machine, words([folder]), unified !== undefined, index)];
    const reason = `${machine.name} has no control group of ${controller}; ${packages}`;
    context.problem({ path: "target.machine", reason });
    return [];
  });
}

/** A plan of steps that nothing but the timer and the heartbeat end. */
export function gathered(parts: Steps[], notes: string[], mechanism = "cgroup"): CompiledKind {
  return {
    mechanism,
    selfHealing: false,
    apply: parts.flatMap(({ apply }) => apply),
    verify: parts.flatMap(({ verify }) => verify),
    undo: parts.flatMap(({ undo }) => undo),
    undone: parts.flatMap(({ undone }) => undone),
    heartbeat: [],
    effect: parts.flatMap(({ effect }) => effect),
    notes,
  };
}

/** A counter that a shell text prints. */
export function number(name: string, text: string): EffectCounter {
  return { name, argv: ["sh", "-c", text], parse: { kind: "number" } };
}
