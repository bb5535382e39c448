import { join } from "node:path";

import { writeAtomically } from "../../internal/files";
import type { RecordedRun } from "../runner/journal";
import { renderReportJson } from "./json";
import { renderJUnit } from "./junit";
import { renderMarkdown } from "./markdown";

/** Where the reports of a run were written. */
export interface ReportFiles {
  html: string;
  json: string;
  junit: string;
  markdown: string;
}

/** Writes `report.html`, `report.json`, `junit.xml` and `report.md` into a run's folder. */
export async function writeReports(folder: string, run: RecordedRun): Promise<ReportFiles> {
  const files = {
    html: join(folder, "report.html"),
    json: join(folder, "report.json"),
    junit: join(folder, "junit.xml"),
    markdown: join(folder, "report.md"),
  };
  // Loaded here, because the charts are heavy and most commands draw none.
  const { renderHtml } = await import("./html.js");
  await Promise.all([
    writeAtomically(files.html, renderHtml(run)),
    writeAtomically(files.json, `${JSON.stringify(renderReportJson(run), null, 2)}\n`),
    writeAtomically(files.junit, renderJUnit(run)),
    writeAtomically(files.markdown, renderMarkdown(run)),
  ]);
  return files;
}
