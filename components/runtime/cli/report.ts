import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Command } from "commander";

import { ExitCode, ShadownetError } from "../../internal/problems";
import { compareRuns, renderComparison, renderComparisonMarkdown } from "../report/compare";
import { renderMarkdown } from "../report/markdown";
import { renderTable } from "../report/table";
import { loadRun } from "../runner/store";
import { writeReports } from "../report/write";
import { openTerminal } from "./terminal";

interface ReportOptions {
  runs: string;
  compare?: boolean;
  markdown?: boolean;
  json?: boolean;
}

/** `shadownet report`: renders a recorded run again, or compares two. */
export function register(program: Command): void {
  program
    .command("report [run...]")
    .description("show a recorded run and write its report again; the newest when none is named")
    .option("--runs <folder>", "folder of the runs", "runs")
    .option("--compare", "show what changed between two runs")
    .option("--markdown", "print Markdown for a pull request")
    .option("--json", "print JSON")
    .addHelpText(
      "after",
      "\nExamples:\n  shadownet report\n  shadownet report --compare 20261123-101500-ab12 20261124-101500-cd34",
    )
    .action(async (runs: string[], options: ReportOptions) => {
      const terminal = openTerminal(options.json === true);
      const folders = await chooseRuns(runs, options);
      if (options.compare === true) {
        const [before, after] = await Promise.all(folders.map((folder) => loadRun(folder)));
        const comparison = compareRuns(before!, after!);
        const render = options.markdown === true ? renderComparisonMarkdown : renderComparison;
        terminal.result(comparison, render(comparison));
        return;
      }
      const run = await loadRun(folders[0]!);
      const files = await writeReports(folders[0]!, run);
      terminal.result(run.journal, options.markdown === true ? renderMarkdown(run) : renderTable(run));
      terminal.say(`report: ${files.html}`);
    });
}

async function chooseRuns(runs: string[], options: ReportOptions): Promise<string[]> {
  const wanted = options.compare === true ? 2 : 1;
  const names = await readdir(options.runs).catch(() => [] as string[]);
  const known = names.sort();
  const chosen = runs.length === 0 ? known.slice(-wanted) : runs;
  if (chosen.length !== wanted) {
    const message = `name ${wanted === 2 ? "two runs" : "one run"}; ${options.runs} has ${known.slice(-8).join(", ") || "none"}`;
    throw new ShadownetError("which-run", message, ExitCode.BadInput);
  }
  return chosen.map((run) => (run.includes("/") ? resolve(run) : join(resolve(options.runs), run)));
}
