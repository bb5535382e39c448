// A plan of steps: each says whether it has something to do, does it, and how long it took.

/**
 * @typedef {object} Step
 * @property {string} title what the step brings
 * @property {boolean} [required] whether set-up fails with it; by default it does
 * @property {boolean} [blocks] whether nothing after it makes sense when it fails
 * @property {() => string | undefined | Promise<string | undefined>} plan what is to be done; undefined when nothing is
 * @property {(report: (line: string) => void) => unknown} run does it; `report` takes lines of progress
 */

/** Runs steps in order and returns the exit code; with `dryRun` only says what would be done. */
export async function runSteps(steps, { dryRun = false, print = (line) => console.log(line), quiet = false } = {}) {
  const begun = Date.now();
  let exitCode = 0;
  let done = 0;
  for (const step of steps) {
    const work = await step.plan();
    if (work === undefined) {
      if (!quiet) print(`  ready  ${step.title}`);
      continue;
    }
    print(`  ${dryRun ? "to do" : "doing"}  ${step.title}: ${work}`);
    if (dryRun) continue;
    done++;
    const outcome = await runStep(step, print);
    if (outcome === 0) continue;
    if (step.required !== false) exitCode = exitCode || outcome;
    if (step.blocks) break;
  }
  if (!dryRun && (done > 0 || !quiet))
    print(`set-up ${exitCode === 0 ? "is complete" : "is not complete"} (${seconds(begun)})`);
  return exitCode;
}

/** What each step would do, for programs: `needed` when there is something to do, and `detail` says what. */
export async function planSteps(steps) {
  const plans = [];
  for (const step of steps) {
    const work = await step.plan();
    plans.push({ name: step.title, needed: work !== undefined, detail: work ?? "ready" });
  }
  return plans;
}

async function runStep(step, print) {
  const begun = Date.now();
  try {
    await step.run((line) => print(`         ${line}`));
    print(`  done   ${step.title} (${seconds(begun)})`);
    return 0;
  } catch (error) {
    const lines = error.message.split("\n").map((line) => `         ${line}`);
    print(`  FAILED ${step.title} (${seconds(begun)})\n${lines.join("\n")}`);
    return error.exitCode ?? 1;
  }
}

const seconds = (begun) => `${((Date.now() - begun) / 1000).toFixed(1)} s`;
