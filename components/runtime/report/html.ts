import { Eta } from "eta";

import { BASE_VERDICTS, pageOf } from "./page";
import type { RecordedRun } from "../runner/journal";
import { styles } from "./styles";
import { templates } from "./templates";

const eta = new Eta({ autoEscape: true });
for (const [name, text] of Object.entries(templates)) eta.loadTemplate(name, text);

/**
 * A recorded run as one self-contained page that loads nothing and runs no script. Also a run that was cut off gives a
 * page; it says so. Text from the journal is escaped.
 */
export function renderHtml(run: RecordedRun): string {
  return eta.render("@page", { ...pageOf(run), styles, verdicts: BASE_VERDICTS });
}
