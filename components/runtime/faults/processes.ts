import { gathered, number } from "./cgroup";
import { quote, shell, words } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import { gone, restart } from "./crash";
import type { PlanCommand, ResolvedMachine } from "./plan";
import { endProcess } from "./relayPlan";

/** Sends a signal to the processes of the machines whose name or command line matches, once or again and again. */
export function compileProcessKill(context: CompileContext): CompiledKind {
  const { fault } = context;
  const parts = context.target.machines.map((machine, index) => {
    const script = `{state}/kill${index}.sh`;
    const pidFile = `{state}/kill${index}.pid`;
    const again = fault.intervalSeconds !== undefined;
    const repeat: PlanCommand[] = again ? [{ argv: ["sh", script, "repeat"], background: { pidFile } }] : [];
    return {
      apply: [
        { argv: ["tee", script], stdin: killScript(context, machine, index) },
        { argv: ["sh", script, "once"] },
        ...repeat,
      ],
      verify: [],
      undo: [shell(endProcess(pidFile)), ...startAgain(machine, index)],
      undone: restartDone(machine, index),
      effect: [number("killed", `cat {state}/killed${index} 2>/dev/null`)],
    };
  });
  const often = fault.intervalSeconds === undefined ? "once" : `every ${fault.intervalSeconds} s`;
  const note = `signal ${fault.signal ?? "KILL"} ${often} to "${fault.processPattern ?? ""}"; a machine that ends by it is started again afterwards`;
  return gathered(parts, [note], "signal");
}

function killScript({ fault }: CompileContext, machine: ResolvedMachine, index: number): string {
  const pattern = `*${(fault.processPattern ?? "").replaceAll(" ", "' '")}*`;
  return `killed=0
round() {
  for pid in $(${processList(machine)}); do
    [ "$pid" != "$$" ] || continue
    name=$(cat "/proc/$pid/comm" 2>/dev/null)
    line=$(tr '\\0' ' ' <"/proc/$pid/cmdline" 2>/dev/null)
    case $line in *{state}*) continue ;; esac
    case $name in ${pattern}) ;; *) case $line in ${pattern}) ;; *) continue ;; esac ;; esac
    : >{state}/hit${index} # before it is so: this script may be killed in between
    kill -${fault.signal ?? "KILL"} "$pid" 2>/dev/null && killed=$((killed + 1))
  done
  echo "$killed" >{state}/killed${index}
}
read -r killed <{state}/killed${index} 2>/dev/null
case $1 in
  once)
    round
    [ "$killed" -gt 0 ] || { echo "no process of ${machine.name} matches" >&2; exit 1; }
    ;;
  repeat)
    while [ ! -e {state}/ended ] && [ -e {state}/deadline ]; do
      sleep ${fault.intervalSeconds ?? 1}
      round
    done
    ;;
esac
`;
}

/** Only processes of the machine: those of its control group, else those of its network namespace. */
function processList({ cgroups, namespace }: ResolvedMachine): string {
  const folder = cgroups.unified ?? cgroups.freezer ?? cgroups.pids;
  if (folder !== undefined) return `cat ${quote(folder)}/cgroup.procs`;
  return namespace === undefined ? "ps -e -o pid=" : words(["ip", "netns", "pids", namespace]);
}

function startAgain(machine: ResolvedMachine, index: number): PlanCommand[] {
  const { aliveCommand, restartCommand } = machine;
  if (aliveCommand === undefined || restartCommand === undefined) return [];
  const was = `[ ! -e {state}/hit${index} ] || ${gone(machine)}`;
  return [shell(`${was} || ${words(aliveCommand)} >/dev/null 2>&1 || ${restart(machine)}`)];
}

function restartDone(machine: ResolvedMachine, index: number): PlanCommand[] {
  const { aliveCommand, restartCommand } = machine;
  if (aliveCommand === undefined || restartCommand === undefined) return [];
  return [shell(`[ ! -e {state}/hit${index} ] || ${gone(machine)} || ${words(aliveCommand)} >/dev/null 2>&1`)];
}
