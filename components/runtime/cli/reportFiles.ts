import { join } from "node:path";

import { writeAtomically } from "../../internal/files";
import { renderHtml } from "../report/html";
import { renderJUnit } from "../report/junit";
import { renderMarkdown } from "../report/markdown";
import { renderReportJson } from "../report/reportJson";
import type { RecordedRun } from "../runner/journal";

/** Where the reports of a run are. */
export interface ReportFiles {
  html: string;
  json: string;
  junit: string;
  markdown: string;
}

/** Writes every form of a run's report into its folder. */
export async function writeReports(folder: string, run: RecordedRun): Promise<ReportFiles> {
  const files: ReportFiles = {
    html: join(folder, "report.html"),
    json: join(folder, "report.json"),
    junit: join(folder, "junit.xml"),
    markdown: join(folder, "report.md"),
  };
  await writeAtomically(files.html, renderHtml(run));
  await writeAtomically(files.json, `${JSON.stringify(renderReportJson(run), null, 2)}\n`);
  await writeAtomically(files.junit, renderJUnit(run));
  await writeAtomically(files.markdown, renderMarkdown(run));
  return files;
}
