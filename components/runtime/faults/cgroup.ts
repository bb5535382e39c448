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
    const notFrozen = `[ ! -e ${file} ] || ! ${isFrozen}`;
    return {
      apply: [
        shell(`${notFrozen} || { echo "${machine.name} is frozen already" >&2; exit 1; }\necho ${frozen} >${file}`),
      ],
      verify: [shell(waitFor(isFrozen, `${machine.name} did not freeze`))],
      undo: [shell(`[ ! -e ${file} ] || echo ${thawed} >${file}`)],
      undone: [shell(notFrozen)],
      effect: [number("frozen", `if ${isFrozen}; then echo 1; else echo 0; fi`)],
    };
  });
  return gathered(parts, ["every process is frozen; connections stay open, and the kernel still answers for them"]);
}

/** Takes a share of the machines' processor time away by a quota. */
export function compileCpu(context: CompileContext): CompiledKind {
  const left = leftOver(context);
  const parts = eachGroup(context, "cpu", (_, folder, unified, index) => {
    const file = unified ? `${folder}/cpu.max` : `${folder}/cpu.cfs_quota_us`;
    const old = `{state}/cpu${index}`;
    const read = unified
      ? `read -r quota period <${file}`
      : `read -r quota <${file}\nread -r period <${folder}/cpu.cfs_period_us`;
    const value = unified ? '"$quota $period"' : '"$quota"';
    const throttled = `sed -n 's/^nr_throttled //p' ${folder}/cpu.stat`;
    return {
      apply: [
        shell(
          `cat ${file} >${old} || exit 1\n${throttled} >${old}.throttled\n${read}\n` +
            `case $quota in max | -1) quota=$(($(getconf _NPROCESSORS_ONLN) * period)) ;; esac\n` +
            `quota=$((quota * ${left} / 1000))\n[ "$quota" -ge 1000 ] || quota=1000\necho ${value} >${file}`,
        ),
      ],
      verify: [shell(`! ${same(old, file)}`)],
      undo: [shell(`[ ! -s ${old} ] || [ ! -e ${file} ] || cat ${old} >${file}`)],
      undone: [shell(`[ ! -s ${old} ] || [ ! -e ${file} ] || ${same(old, file)}`)],
      effect: [number("throttled", `echo $(($(${throttled}) - $(cat ${old}.throttled)))`)],
    };
  });
  return gathered(parts, [`${left / 10} % of the processor time that each machine may use is left`]);
}

/** Takes a share of the machines' memory away, by a lower limit or by a process that holds it. */
export function compileMemory(context: CompileContext): CompiledKind {
  const left = leftOver(context);
  const pressure = context.fault.memoryMode === "pressure";
  const parts = eachGroup(context, "memory", (machine, folder, unified, index) => {
    const limit = unified ? `${folder}/memory.max` : `${folder}/memory.limit_in_bytes`;
    const total =
      `total=$(cat ${limit})\nmachine=$(($(sed -n 's/^MemTotal: *\\([0-9]*\\) kB/\\1/p' /proc/meminfo) * 1024))\n` +
      `case $total in max) total=$machine ;; esac\n[ "$total" -le "$machine" ] || total=$machine`;
    const kills = unified
      ? `sed -n 's/^oom_kill //p' ${folder}/memory.events`
      : `sed -n 's/^oom_kill //p' ${folder}/memory.oom_control`;
    const effect = [number("outOfMemoryKills", `echo $(($(${kills}) - $(cat {state}/kills${index})))`)];
    const count = `${kills} >{state}/kills${index}`;
    return pressure
      ? holdMemory(folder, { index, left, total, count, effect })
      : lowerLimit(limit, unified, { machine, index, left, total, count, effect });
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

function lowerLimit(
  limit: string,
  unified: boolean,
  { index, left, total, count, effect }: MemorySteps & { machine: ResolvedMachine },
): Steps {
  const old = `{state}/memory${index}`;
  // cgroup v1 refuses a limit below what is in use and cannot be freed, so it is lowered as far as it goes.
  const lower = unified
    ? `echo "$wanted" >${limit}`
    : `until echo "$wanted" >${limit}; do
  wanted=$((wanted + total / 50 + 4096))
  [ "$wanted" -lt "$total" ] || exit 1
done 2>/dev/null`;
  return {
    apply: [shell(`cat ${limit} >${old} || exit 1\n${count}\n${total}\nwanted=$((total * ${left} / 1000))\n${lower}`)],
    verify: [shell(`! ${same(old, limit)}`)],
    undo: [shell(`[ ! -s ${old} ] || [ ! -e ${limit} ] || ${restoreLimit(old, limit)}`)],
    undone: [shell(`[ ! -s ${old} ] || [ ! -e ${limit} ] || ${same(old, limit)}`)],
    effect: [...effect, number("limited", `if ${same(old, limit)}; then echo 0; else echo 1; fi`)],
  };
}

/** Files of the kernel have no size, so their text is compared. */
function same(a: string, b: string): string {
  return `[ "$(cat ${a})" = "$(cat ${b})" ]`;
}

/** "No limit" in cgroup v1 reads as a number that it does not take back. */
function restoreLimit(old: string, limit: string): string {
  return `cat ${old} >${limit} 2>/dev/null || echo -1 >${limit}`;
}

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
