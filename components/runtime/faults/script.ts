import { ExitCode, ShadownetError } from "../../internal/problems";
import { claimBody } from "./claimBody";
import { quote, words } from "./commands";
import type { EffectCounter, FaultPlan, PlanCommand } from "./plan";
import { scriptBody } from "./scriptBody";

/** Settings of {@link renderScript}. */
export interface ScriptOptions {
  /** Folder for the undo, the timer and the marks. Defaults to `/run/shadownet/faults/<id>`. */
  stateFolder?: string;
  /** Folder in which faults on one host find each other's limits. Defaults to `/run/shadownet/claims`. */
  claimsFolder?: string;
  /** False when nobody sends heartbeats and the timer alone ends the fault. Defaults to true. */
  heartbeats?: boolean;
  /** Slice of systemd that the timer runs in, apart from what the fault hits. Defaults to systemd's own choice. */
  slice?: string;
}

/** Missed heartbeats after which the target undoes the fault. */
const missedHeartbeats = 3;

/** Where a fault's script keeps its undo and its marks unless told otherwise. */
export function defaultStateFolder(id: string): string {
  return `/run/shadownet/faults/${id}`;
}

/**
 * A POSIX shell script that carries a plan out on a bare Linux machine: `start` writes the undo, arms its timer,
 * applies and verifies; `heartbeat`, `effect`, `status` and `stop` do what they say. Every line that it prints is JSON.
 */
export function renderScript(plan: FaultPlan, options: ScriptOptions = {}): string {
  const state = options.stateFolder ?? defaultStateFolder(plan.id);
  const claims = options.claimsFolder ?? "/run/shadownet/claims";
  for (const [what, path] of [
    ["state", state],
    ["claims", claims],
  ] as const) {
    if (/^\/[A-Za-z0-9_./@+-]+$/.test(path)) continue;
    const message = `${what} folder "${path}": use an absolute path of letters, digits and . _ - / @ +`;
    throw new ShadownetError("bad-input", message, ExitCode.BadInput);
  }
  const window = options.heartbeats === false ? 0 : plan.heartbeatSeconds * missedHeartbeats * 100;
  const head = [
    "#!/bin/sh",
    `# ${plan.fault.kind} on ${plan.target.replaceAll(/[^ -~]/g, "?")} for ${plan.fault.durationSeconds} s, done with ${plan.mechanism}.`,
    "# Usage: sh script start|heartbeat|effect|status|stop",
    `ID=${quote(plan.id)}`,
    `STATE=${quote(state)}`,
    ...(sharesLimits(plan) ? [`CLAIMS=${quote(claims)}`] : []),
    `DURATION=${Math.ceil(plan.fault.durationSeconds * 100)} # hundredths of a second`,
    `WINDOW=${window} # hundredths of a second without heartbeat after which the fault is undone; 0 means never`,
    `TIMER_SLICE=${quote(options.slice ?? "")} # slice of systemd for the timer; empty means its own choice`,
    `STAYS=${plan.fault.staysDown === true ? 1 : 0} # 1 when the end of the time undoes nothing`,
    "",
  ];
  const functions = [
    strict("apply_steps", plan.apply),
    strict("verify_steps", plan.verify),
    strict("arm_steps", plan.heartbeat),
    undoing("undo_steps", plan.undo),
    strict("undone_steps", plan.undone ?? []),
    counting("counter_values", plan.effect),
  ];
  const shared = [...(sharesLimits(plan) ? [claimBody] : []), ...(hasHelper(plan) ? [helperBody] : [])];
  const text = [...head, ...functions, ...shared, scriptBody].join("\n");
  return text.replaceAll("{state}", state).replaceAll("{claims}", claims);
}

function sharesLimits({ apply }: FaultPlan): boolean {
  return apply.some(({ argv }) => argv[2]?.includes("\nclaim ") === true);
}

function hasHelper({ apply }: FaultPlan): boolean {
  return apply.some(({ background }) => background !== undefined);
}

/**
 * Notes the id of a process that runs on. One that was only just forked still has this script's command line, and the
 * watcher, which ends a fault whose helper is gone, would take it for somebody else's.
 */
const helperBody = `
helper() {
  TRIES=0
  until runs "$1" "$STATE" || [ "$TRIES" -ge 100 ]; do
    TRIES=$((TRIES + 1))
    sleep 0.02
  done
  echo "$1" >"$2"
}
`;

/** Commands of which the first that fails ends the function. */
function strict(name: string, commands: readonly PlanCommand[]): string {
  const lines = commands.flatMap((command) => [
    `  STEP=${quote(title(command))}`,
    `${commandText(command)}${command.ignoreFailure === true || command.background !== undefined ? "" : " || return 1"}${heredoc(command)}`,
  ]);
  return functionText(name, lines);
}

/** Commands that all run; one that fails and may not makes the function fail. */
function undoing(name: string, commands: readonly PlanCommand[]): string {
  const lines = commands.flatMap((command) => {
    if (command.ignoreFailure === true) return [`${commandText(command)} >/dev/null 2>&1${heredoc(command)}`];
    return [`  STEP=${quote(title(command))}`, `${commandText(command)} || FAILED=1${heredoc(command)}`];
  });
  return functionText(name, ["  FAILED=0", ...lines, '  return "$FAILED"']);
}

function counting(name: string, counters: readonly EffectCounter[]): string {
  return functionText(
    name,
    counters.map(({ name: counter, argv, parse }) => {
      const filter = parse.kind === "number" ? "" : ` | ${sedFor(parse)}`;
      return `  printf '%s %s\\n' ${quote(counter)} "$({ ${inline(argv)}; } 2>/dev/null${filter})"`;
    }),
  );
}

function sedFor(parse: Exclude<EffectCounter["parse"], { kind: "number" }>): string {
  const [key, name, value] =
    parse.kind === "nftCounter" ? ["name", parse.counter, "packets"] : ["handle", parse.handle, "drops"];
  return `sed -n 's/.*"${key}": *"${name}"[^}]*"${value}": *\\([0-9]*\\).*/\\1/p'`;
}

function functionText(name: string, lines: string[]): string {
  return [`${name}() {`, ...(lines.length === 0 ? ["  true"] : lines), "}", ""].join("\n");
}

function title({ argv }: PlanCommand): string {
  const text = argv[0] === "sh" && argv[1] === "-c" ? (argv[2] ?? "").split("\n")[0]! : argv.join(" ");
  return text.replaceAll(/[^ -~]|["'\\$`]/g, " ").slice(0, 160);
}

function commandText(command: PlanCommand): string {
  if (command.background !== undefined) {
    const { pidFile } = command.background;
    return `  setsid ${words(command.argv)} </dev/null >/dev/null 2>"$STATE/background.log" 9>&- &\n  helper "$!" ${pidFile}`;
  }
  const { stdin, argv } = command;
  if (stdin === undefined) return `  ${inline(argv)}`;
  if (!stdin.includes("{timeout}")) return `  ${inline(argv)} <<'EOF'`;
  return `  sed "s/{timeout}/$TIMEOUT/g" <<'EOF' | ${inline(argv)}`;
}

/** Shell texts become part of the script, so that they are checked with it; one that exits must not end the script. */
function inline(argv: readonly string[]): string {
  const text = argv[2];
  if (argv[0] === "sh" && argv[1] === "-c" && text !== undefined && argv.length === 3) {
    return /\bexit\b/.test(text) ? `(\n${text}\n  )` : `{\n${text}\n  }`;
  }
  return argv[0] === "!" ? `! ${words(argv.slice(1))} >/dev/null 2>&1` : words(argv);
}

function heredoc({ stdin }: PlanCommand): string {
  return stdin === undefined ? "" : `\n${stdin.endsWith("\n") ? stdin : `${stdin}\n`}EOF`;
}
