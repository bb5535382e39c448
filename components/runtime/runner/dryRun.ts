import { refuse } from "../../internal/problems";
import { systemClock } from "./clock";
import type { Journal, JournalEvent } from "./journal";
import { experimentsProblems, journalFault, planExperiments } from "./plans";
import { type DryRun, type RunOptions, newJournal } from "./run";

/**
 * Says what a run would do, and writes nothing anywhere. `nothing` only checks the experiments; `reads` asks the back end
 * what the targets are, compiles the faults, and checks blast radius, leftovers and mirror; `plan` gives the exact
 * commands too. Throws as a real run would when the input is bad.
 */
export async function dryRun(level: DryRun, options: RunOptions): Promise<Journal> {
  const { driver, experiments, seed = 1, clock = systemClock } = options;
  refuse("experiments", experimentsProblems(experiments));
  const nowhere = { network: "", backEnd: "", machines: [], links: [], services: [], fidelity: [] };
  const shadow = level === "nothing" ? nowhere : await driver.describe();
  const capabilities = level === "nothing" ? undefined : await driver.capabilities();
  const planned =
    capabilities === undefined ? [] : await planExperiments(experiments, { driver, capabilities, seed }, shadow);
  const journal: Journal = newJournal(options, shadow, { ...capabilities }, planned);
  const say = (kind: string, message: string): JournalEvent => ({ time: clock.now(), kind, message });
  journal.events.push(
    say("dry-run", `${Object.keys(experiments).length} experiments are in order; nothing was touched`),
  );
  if (level !== "nothing") {
    journal.events.push(...(await driver.leftovers()).map((left) => say("leftover", left)));
    journal.events.push(...(await driver.mirror()).problems.map((problem) => say("mirror-problem", problem)));
  }
  for (const [index, { plans }] of planned.entries()) {
    journal.experiments[index]!.faults = [...plans].map(([action, plan]) => {
      const fault = journalFault(action, plan);
      return level === "plan" ? fault : { ...fault, commands: [] };
    });
  }
  journal.status = "completed";
  journal.statusReason = "dry run: nothing was touched";
  journal.endedAt = new Date(clock.now()).toISOString();
  return journal;
}
