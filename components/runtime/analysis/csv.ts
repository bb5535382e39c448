import type { Problem } from "../../internal/problems";
import type { Sample } from "./series";

/** Most problems that are named one by one; the rest is counted. */
const MAX_PROBLEMS = 50;

/** What stands for a missing value. */
const missing = new Set(["", "nan", "na", "null", "-"]);

/**
 * Reads `time,value` lines: seconds (or any clock that the fault windows share) and a number; comma, semicolon or tab between;
 * a header line, empty lines and `#` comments are allowed; an empty or `NaN` value is a gap. Every problem is named with its line.
 */
export function parseCsv(text: string, name: string): { samples: Sample[]; problems: Problem[] } {
  const samples: Sample[] = [];
  const problems: Problem[] = [];
  const seen = new Map<number, number>();
  let header = true;
  text
    .replace(/^\uFEFF/, "")
    .split(/\r\n|\n|\r/)
    .forEach((line, index) => {
      if (line.trim() === "" || line.trimStart().startsWith("#")) return;
      const fields = line.split(/[,;\t]/).map((field) => field.trim().replace(/^"(.*)"$/, "$1"));
      const first = header;
      header = false;
      const path = `${name}:${index + 1}`;
      if (first && isHeader(fields)) return;
      const sample = parseLine(fields, path, problems);
      if (!sample) return;
      const earlier = seen.get(sample.time);
      if (earlier !== undefined) {
        problems.push({ path, reason: `time ${sample.time} was given on line ${earlier} already` });
        return;
      }
      seen.set(sample.time, index + 1);
      samples.push(sample);
    });
  if (samples.length === 0 && problems.length === 0)
    problems.push({ path: name, reason: "no samples; give time,value per line" });
  const shown = problems.slice(0, MAX_PROBLEMS);
  if (problems.length > MAX_PROBLEMS) shown.push({ path: name, reason: `and ${problems.length - MAX_PROBLEMS} more` });
  return { samples: samples.sort((a, b) => a.time - b.time), problems: shown };
}

/** A first line of two or more fields of which neither of the first two is a number or a gap. */
function isHeader(fields: readonly string[]): boolean {
  const words = fields.slice(0, 2).filter((field) => field !== "" && Number.isNaN(Number(field)));
  return fields.length >= 2 && words.length === 2 && !missing.has(fields[1]!.toLowerCase());
}

function parseLine(fields: readonly string[], path: string, problems: Problem[]): Sample | undefined {
  if (fields.length !== 2) {
    const reason = `${fields.length} fields; give exactly two, time,value`;
    problems.push({ path, reason });
    return undefined;
  }
  const [time, value] = fields as [string, string];
  const before = problems.length;
  if (time === "" || !Number.isFinite(Number(time))) {
    problems.push({ path, reason: `time "${time}" is not a number; give seconds` });
  }
  const gap = missing.has(value.toLowerCase());
  if (!gap && !Number.isFinite(Number(value))) {
    problems.push({ path, reason: `value "${value}" is not a finite number; leave it empty where there is none` });
  }
  if (problems.length > before) return undefined;
  return { time: Number(time), value: gap ? Number.NaN : Number(value) };
}

/** Reads `300-360` (start-end, decimals allowed, same clock as the samples). */
export function parseWindow(text: string): { start: number; end: number } | undefined {
  const match = /^(\d+(?:\.\d+)?)-(\d+(?:\.\d+)?)$/.exec(text.trim());
  if (!match) return undefined;
  const [start, end] = [Number(match[1]), Number(match[2])];
  return end > start ? { start, end } : undefined;
}
