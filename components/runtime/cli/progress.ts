import pc from "picocolors";

import type { LiveFigures, RunProgress } from "../runner/progress";
import type { Terminal } from "./terminal";

/** Shows a run as it goes: a line per phase and event, and a status line with live figures and remaining time. */
export function runProgress(terminal: Terminal): (progress: RunProgress) => void {
  return (progress) => {
    if (progress.kind === "phase") terminal.say(phaseLine(progress));
    else if (progress.kind === "event") terminal.say(`    ${pc.dim(progress.event?.message ?? "")}`);
    else if (progress.kind === "step") terminal.status(statusLine(progress));
  };
}

function phaseLine({ experiment, experimentNumber, experimentCount, phase, remainingSeconds }: RunProgress): string {
  const place = experiment === undefined ? "" : `${experiment} (${experimentNumber}/${experimentCount}) `;
  const time = remainingSeconds > 0 ? pc.dim(` about ${duration(remainingSeconds)}`) : "";
  return `  ${pc.cyan("▸")} ${pc.bold(place)}${phase}${time}`;
}

function statusLine({ phase, remainingSeconds, runRemainingSeconds, activeFaults, figures }: RunProgress): string {
  const faults = activeFaults.length === 0 ? "" : pc.red(` ${activeFaults.join(", ")} on`);
  const time = `${duration(remainingSeconds)} left, ${duration(runRemainingSeconds)} in all`;
  return `    ${phase}${faults} · ${time} · ${figuresText(figures)}`;
}

/** Live and shadow side by side, a dash for what was not measured. */
function figuresText(figures: LiveFigures): string {
  const pair = (live: number | null, shadow: number | null, show: (value: number) => string): string =>
    `${live === null ? "–" : show(live)} live, ${shadow === null ? "–" : show(shadow)} shadow`;
  const percent = (value: number): string => `${(value * 100).toFixed(value === 0 ? 0 : 1)} %`;
  return [
    `${figures.requestsLive === null ? "–" : figures.requestsLive.toFixed(0)} req/s`,
    `p95 ${pair(figures.p95Live, figures.p95Shadow, (value) => `${value.toFixed(1)} ms`)}`,
    `errors ${pair(figures.errorsLive, figures.errorsShadow, percent)}`,
  ].join(" · ");
}

/** `42 s` or `3:07 min`. */
function duration(seconds: number): string {
  const whole = Math.max(0, Math.round(seconds));
  return whole < 60 ? `${whole} s` : `${Math.floor(whole / 60)}:${String(whole % 60).padStart(2, "0")} min`;
}
