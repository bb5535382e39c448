import type { Effect, Journal, JournalExperiment, JournalFault, RecordedRun } from "../runner/journal";
import { effectInterval, effectSize, endOf, experimentTitle, faultProof, runSentence, spaced } from "./format";
import { seriesName } from "../words";

interface TestCase {
  name: string;
  className: string;
  outcome: "passed" | "failure" | "error" | "skipped";
  message: string;
}

/**
 * JUnit XML for continuous integration. A suite per experiment; a case per probe, per fault (its proof) and per effect.
 * `fail` and `degraded` are failures, a fault without proof is an error, and what carries no verdict is skipped: it is
 * never a pass. A run that did not complete or is invalid has an error in the suite `run`.
 */
export function renderJUnit(run: RecordedRun): string {
  const { journal } = run;
  const seconds = (endOf(journal) - Date.parse(journal.startedAt)) / 1000;
  const suites = [
    suite("run", [runCase(journal)], seconds, journal.startedAt),
    ...journal.experiments.map((experiment) =>
      suite(
        experimentTitle(experiment),
        casesOf(experiment),
        experimentSeconds(journal, experiment),
        journal.startedAt,
      ),
    ),
  ];
  const totals = count([runCase(journal), ...journal.experiments.flatMap(casesOf)]);
  const name = xml(`shadownet ${journal.network}`);
  return `<?xml version="1.0" encoding="UTF-8"?>\n<testsuites name="${name}" ${totals} time="${seconds}">\n${suites.join("")}</testsuites>\n`;
}

function runCase(journal: Journal): TestCase {
  const complete = journal.status === "completed" && journal.invalid !== true;
  const message = journal.invalid === true ? `invalid: ${runSentence(journal)}` : runSentence(journal);
  return { name: "run completed", className: journal.network, outcome: complete ? "passed" : "error", message };
}

function casesOf(experiment: JournalExperiment): TestCase[] {
  const className = experiment.name;
  const probes = experiment.probes.map(({ name, when, ok, why }) => ({
    name: `${name} (${when})`,
    className,
    outcome: ok ? ("passed" as const) : ("failure" as const),
    message: why,
  }));
  const commands = experiment.commands.map(({ action, machine, exitCode, seconds, withinObjective }) => ({
    name: `${action} on ${machine}`,
    className,
    outcome: exitCode === 0 && withinObjective ? ("passed" as const) : ("failure" as const),
    message: `exit code ${exitCode} after ${seconds} s, ${withinObjective ? "within" : "beyond"} its objective`,
  }));
  const faults = experiment.faults.map((fault) => faultCase(fault, className));
  const effects = experiment.effects.map((effect) => effectCase(effect, experiment));
  const cases = [...faults, ...probes, ...commands, ...effects];
  const missing = {
    name: "verdict",
    className,
    outcome: "skipped" as const,
    message: "the run ended before the analysis",
  };
  return experiment.verdict === undefined ? [...cases, missing] : cases;
}

function faultCase(fault: JournalFault, className: string): TestCase {
  const outcome = fault.effect?.proven === true ? "passed" : "error";
  return {
    name: `${fault.action}: ${spaced(fault.kind)} on ${fault.target} happened`,
    className,
    outcome,
    message: faultProof(fault),
  };
}

/** A change on a machine that no request suffered from fails no build: the experiment passed. */
function effectCase(effect: Effect, experiment: JournalExperiment): TestCase {
  const { verdict } = effect;
  const className = experiment.name;
  const bad = verdict === "fail" || verdict === "degraded";
  const outcome = verdict === "pass" || (bad && experiment.verdict === "pass") ? "passed" : bad ? "failure" : "skipped";
  const message = `${verdict}: ${effectSize(effect)}, 95 % interval ${effectInterval(effect)}; ${effect.why}`;
  return { name: `${effect.fault}: ${seriesName(effect.signal, effect.target)}`, className, outcome, message };
}

function experimentSeconds({ phases }: Journal, { name }: JournalExperiment): number {
  const own = phases.filter(({ experiment }) => experiment === name);
  return own.reduce((sum, { startedAt, endedAt }) => sum + ((endedAt ?? startedAt) - startedAt) / 1000, 0);
}

function suite(name: string, cases: TestCase[], seconds: number, timestamp: string): string {
  const body = cases.map(renderCase).join("");
  const stamp = xml(timestamp.replace(/(\.\d+)?Z$/, ""));
  return `  <testsuite name="${xml(name)}" ${count(cases)} time="${seconds}" timestamp="${stamp}">\n${body}  </testsuite>\n`;
}

function count(cases: TestCase[]): string {
  const of = (outcome: TestCase["outcome"]): number => cases.filter((one) => one.outcome === outcome).length;
  return `tests="${cases.length}" failures="${of("failure")}" errors="${of("error")}" skipped="${of("skipped")}"`;
}

function renderCase({ name, className, outcome, message }: TestCase): string {
  const head = `    <testcase name="${xml(name)}" classname="${xml(className)}"`;
  if (outcome === "passed") return `${head}><system-out>${xml(message)}</system-out></testcase>\n`;
  return `${head}><${outcome} message="${xml(message)}"/></testcase>\n`;
}

/** Escapes text for XML and leaves out the control characters that XML 1.0 cannot hold. */
function xml(text: string): string {
  return text
    .replace(/[^\P{Cc}\t\n\r]|\p{Surrogate}|[\ufffe\uffff]/gu, "")
    .replace(/&/g, "&amp;")
    .replace(/</g, "&lt;")
    .replace(/>/g, "&gt;")
    .replace(/"/g, "&quot;");
}
