import { type AlarmRule, Severity } from "../../monitor";
import type { JournalAlarm } from "./journal";
import type { RecentPoints } from "./recent";
import { checkThreshold } from "./thresholds";

/** An alarm that changed. */
export interface AlarmTransition extends JournalAlarm {
  rule: AlarmRule;
  /** When it began to fire; milliseconds since 1970. */
  since: number;
}

type Standing = "ok" | "firing" | "acknowledged" | "noData";

/** Thresholds watched step by step. An alarm without data is `noData`, never all right. */
export class AlarmEngine {
  private readonly standing = new Map<string, { state: Standing; since: number }>();

  constructor(
    private readonly rules: AlarmRule[],
    private readonly recent: RecentPoints,
    private readonly stepSeconds: number,
    private readonly onTransition: (transition: AlarmTransition) => void,
  ) {}

  /**
   * Reports what changed: an alarm fires when its threshold was passed for its time, and resolves when kept for as long.
   * `expected` is false while the first samples are still on their way, so that nobody is told of data that cannot be there yet.
   */
  evaluate(now: number, expected = true): void {
    for (const rule of this.rules) {
      const forSeconds = rule.forSeconds ?? 10;
      const { state, value, lastBeyond } = checkThreshold(this.recent, rule, forSeconds, this.stepSeconds, now);
      const isGood = lastBeyond === undefined || now - lastBeyond > forSeconds * 1000;
      const before = this.standing.get(rule.name) ?? { state: "ok" as const, since: now };
      const wasFiring = before.state === "firing" || before.state === "acknowledged";
      if (state === "breached" && !wasFiring) this.change(rule, "firing", now, now, value);
      else if (state === "noData" && before.state !== "noData" && expected)
        this.change(rule, "noData", now, now, undefined);
      else if (state === "kept" && before.state !== "ok" && isGood) this.change(rule, "ok", now, before.since, value);
    }
  }

  /** Says that somebody has seen a firing alarm; says whether there was one. */
  acknowledge(name: string, now: number): boolean {
    const rule = this.rules.find((candidate) => candidate.name === name);
    const before = this.standing.get(name);
    if (rule === undefined || before?.state !== "firing") return false;
    this.change(rule, "acknowledged", now, before.since, undefined);
    return true;
  }

  /** Names of the alarms that fire now, acknowledged or not. */
  get firing(): string[] {
    return [...this.standing]
      .filter(([, { state }]) => state === "firing" || state === "acknowledged")
      .map(([name]) => name);
  }

  private change(rule: AlarmRule, state: Standing, now: number, since: number, value: number | undefined): void {
    this.standing.set(rule.name, { state, since });
    const severity = rule.severity ?? Severity.Warning;
    const shown = state === "ok" ? "resolved" : state;
    this.onTransition({ name: rule.name, severity, state: shown, time: now, value, rule, since });
  }
}
