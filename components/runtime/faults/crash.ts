import { shell, words } from "./commands";
import type { CompileContext, CompiledKind } from "./context";
import type { PlanCommand, ResolvedMachine } from "./plan";
import { waitFor } from "./relayPlan";

/** Kills everything on the machines at once and starts them again when the fault ends. */
export function compileCrash(context: CompileContext): CompiledKind {
  const { machines } = context.target;
  for (const machine of machines) {
    const lacking = (["crashCommand", "restartCommand", "aliveCommand"] as const).filter((name) => !machine[name]);
    if (lacking.length === 0) continue;
    const reason = `${machine.name} runs nothing that can be crashed; give it a workload (no ${lacking.join(", ")})`;
    context.problem({ path: "target.machine", reason });
  }
  const parts = machines.map((machine, index) => crashMachine(machine, index));
  const stays = context.fault.staysDown === true;
  const after = stays ? "they stay down until the run ends" : "they start again when the fault ends";
  return {
    mechanism: "signal",
    selfHealing: false,
    apply: parts.map(({ apply }) => apply),
    verify: parts.map(({ verify }) => verify),
    undo: parts.map(({ undo }) => undo),
    undone: parts.map(({ undone }) => undone),
    heartbeat: [],
    effect: machines.map((machine) => ({
      name: "killed",
      argv: ["sh", "-c", `if ${alive(machine)}; then echo 0; else echo 1; fi`],
      parse: { kind: "number" },
    })),
    notes: [`every process of ${machines.map(({ name }) => name).join(", ")} is killed at once; ${after}`],
  };
}

function alive({ aliveCommand = [] }: ResolvedMachine): string {
  return `${words(aliveCommand)} >/dev/null 2>&1`;
}

/** Whether a machine has been deleted since, so that there is nothing to start again. */
export function gone({ namespace }: ResolvedMachine): string {
  return namespace === undefined ? "false" : `[ ! -e ${words([`/run/netns/${namespace}`])} ]`;
}

/** Shell text that starts a machine again. */
export function restart({ restartCommand = [], restartsPlainly = false }: ResolvedMachine): string {
  return `${restartsPlainly ? "" : "plainly "}${words(restartCommand)} >/dev/null 2>&1`;
}

function crashMachine(
  machine: ResolvedMachine,
  index: number,
): Record<"apply" | "verify" | "undo" | "undone", PlanCommand> {
  const { name, crashCommand = [] } = machine;
  const mark = `{state}/crashed${index}`;
  return {
    apply: shell(
      `${alive(machine)} || { echo "${name} is not running" >&2; exit 1; }\n: >${mark}\n${words(crashCommand)} >/dev/null`,
    ),
    verify: shell(waitFor(`! ${alive(machine)}`, `${name} is still running`)),
    undo: shell(`[ ! -e ${mark} ] || ${gone(machine)} || ${alive(machine)} || ${restart(machine)}`),
    undone: shell(`[ ! -e ${mark} ] || ${gone(machine)} || ${alive(machine)}`),
  };
}
