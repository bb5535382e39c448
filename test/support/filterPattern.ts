/**
 * Whether a space-delimited filter pattern matches a line, by the rules that CloudWatch Logs documents: one term for
 * each field, `name`, or comparisons joined by `&&` or `||`; `%…%` is a regular expression without groups, and `*` at
 * the end of a value stands for any rest.
 */
export function matchesFilterPattern(pattern: string, line: string): boolean {
  const terms = /^\[(.*)\]$/s
    .exec(pattern)?.[1]
    ?.split(",")
    .map((term) => term.trim());
  if (terms === undefined) throw new Error(`no space-delimited pattern: ${pattern}`);
  const regexes = [...pattern.matchAll(/%([^%]*)%/g)].map(([, regex]) => regex!);
  if (regexes.length > 2) throw new Error("at most two regular expressions are allowed in a pattern");
  for (const regex of regexes) {
    if (!/^[A-Za-z0-9:_#=@/;,\-^$?[\]{}|\\*+.]*$/.test(regex)) throw new Error(`not supported in %${regex}%`);
  }
  const fields = line.split(" ");
  return fields.length === terms.length && terms.every((term, index) => termMatches(term, fields[index]!));
}

function termMatches(term: string, value: string): boolean {
  const parts = splitOutside(term, "||");
  return parts.some((part) => splitOutside(part, "&&").every((comparison) => compares(comparison, value)));
}

/** Splits at an operator, but not inside a regular expression. */
function splitOutside(text: string, operator: string): string[] {
  const parts = [""];
  let inside = false;
  for (let at = 0; at < text.length; at++) {
    if (text[at] === "%") inside = !inside;
    if (!inside && text.startsWith(operator, at)) {
      parts.push("");
      at += operator.length - 1;
    } else parts.push(`${parts.pop() ?? ""}${text[at]!}`);
  }
  return parts;
}

function compares(comparison: string, value: string): boolean {
  if (/^\w+$/.test(comparison)) return true;
  const [, operator, wanted] = /^\w+(!=|=)(.+)$/s.exec(comparison) ?? [];
  if (operator === undefined || wanted === undefined) throw new Error(`no comparison: ${comparison}`);
  const regex = /^%(.*)%$/s.exec(wanted)?.[1];
  const equal =
    regex !== undefined
      ? new RegExp(regex).test(value)
      : wanted.endsWith("*")
        ? value.startsWith(wanted.slice(0, -1))
        : value === wanted;
  return operator === "=" ? equal : !equal;
}
