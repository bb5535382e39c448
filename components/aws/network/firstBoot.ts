import type { Problem } from "../../internal/problems";
import { didYouMean } from "../../internal/problems";
import { matchesPattern } from "../../internal/patterns";
import { type FidelityItem, FidelityOutcome } from "../../network";
import type { Topology } from "../../topology";

/** What clones do before they believe that they are production. */
export interface FirstBootRule {
  /** Machines, by name or pattern such as `app-*`. */
  machines: string;
  /** Units of systemd that must not run in a clone, for example `crond.service`; they are not started. Defaults to none. */
  disableUnits?: string[];
  /** Shell script that root runs after that. No secret belongs into it: it stands in the state. Defaults to none. */
  script?: string;
}

/** Longest user data that AWS takes, before encoding. */
const longestUserData = 16_384;

/** By these units a shadow is steered and watched. */
const needed = /^(amazon-ssm-agent|snap\.amazon-ssm-agent|cloud-init|network|systemd-networkd|NetworkManager)\b/;

/** What is wrong with the rules. */
export function firstBootProblems({ machines }: Topology, rules: readonly FirstBootRule[]): Problem[] {
  const names = machines.map(({ name }) => name);
  return rules.flatMap((rule, index) => {
    const path = `firstBoot[${index}]`;
    const { disableUnits = [], script = "" } = rule;
    const meant = machines.filter(({ name }) => matchesPattern(name, rule.machines));
    const windows = meant.filter(({ aws }) => aws?.platform === "windows").map(({ name }) => name);
    const bytes = Buffer.byteLength(firstBootScript([rule]) ?? "");
    return [
      ...(meant.length === 0
        ? [
            {
              path: `${path}.machines`,
              reason: `no machine matches "${rule.machines}"${didYouMean(rule.machines, names)}`,
            },
          ]
        : []),
      ...(windows.length === 0
        ? []
        : [
            {
              path: `${path}.machines`,
              reason: `${windows.join(", ")} run Windows, which has no such hook; name others`,
            },
          ]),
      ...(disableUnits.length === 0 && script.trim() === ""
        ? [{ path, reason: "it does nothing; give `disableUnits` or `script`" }]
        : []),
      ...disableUnits.flatMap((unit, at) => unitProblems(`${path}.disableUnits[${at}]`, unit)),
      ...(bytes > longestUserData
        ? [
            {
              path: `${path}.script`,
              reason: `${bytes} bytes, AWS takes ${longestUserData}; let the script fetch what is long from a bucket of \`buckets\``,
            },
          ]
        : []),
    ];
  });
}

function unitProblems(path: string, unit: string): Problem[] {
  if (!/^[A-Za-z0-9:_.@\\-]+\.(service|timer|socket|path|target|mount)$/.test(unit)) {
    return [{ path, reason: `"${unit}" is no unit of systemd such as crond.service` }];
  }
  if (!needed.test(unit)) return [];
  return [{ path, reason: `${unit} is what a shadow is steered or reached by; leave it on` }];
}

/** The rules that are about a machine. */
export function firstBootOf(machine: string, rules: readonly FirstBootRule[]): FirstBootRule[] {
  return rules.filter(({ machines }) => matchesPattern(machine, machines));
}

/**
 * The user data of a clone; undefined when no rule is about it. A boot hook runs long before scripts do, while the system
 * comes up, at every boot: most services, which wait for the network, have not started then. A condition that never holds
 * keeps a unit from starting wherever its file is, and leaves the copied disk as it was; masking would do neither.
 */
export function firstBootScript(rules: readonly FirstBootRule[]): string | undefined {
  const units = [...new Set(rules.flatMap(({ disableUnits = [] }) => disableUnits))];
  const scripts = rules.flatMap(({ script = "" }) => (script.trim() === "" ? [] : [script.trimEnd()]));
  if (units.length + scripts.length === 0) return undefined;
  return `${[
    "#cloud-boothook",
    "#!/bin/sh",
    "# shadownet: what a clone must not do as production does",
    ...(units.length === 0 ? [] : [unitsScript(units)]),
    ...scripts.map((script) => `(\n${script}\n)`),
    "exit 0",
  ].join("\n")}\n`;
}

function unitsScript(units: readonly string[]): string {
  return `set -- ${units.map(quoted).join(" ")}
for unit in "$@"; do
  mkdir -p "/run/systemd/system/$unit.d"
  printf '[Unit]\\nConditionPathExists=/nonexistent/shadownet\\n' > "/run/systemd/system/$unit.d/shadownet.conf"
done
systemctl daemon-reload
systemctl stop --no-block "$@"`;
}

function quoted(text: string): string {
  return `'${text.replaceAll("'", `'\\''`)}'`;
}

/** The line of the report on what a clone does not do. */
export function firstBootItems(machine: string, rules: readonly FirstBootRule[]): FidelityItem[] {
  const units = [...new Set(rules.flatMap(({ disableUnits = [] }) => disableUnits))];
  const hasScript = rules.some(({ script = "" }) => script.trim() !== "");
  if (units.length === 0 && !hasScript) return [];
  const parts = [
    ...(units.length === 0 ? [] : [`${units.join(", ")} do not run`]),
    ...(hasScript ? ["a script of yours runs at boot"] : []),
  ];
  return [{ subject: `machines/${machine}/firstBoot`, outcome: FidelityOutcome.Substituted, reason: parts.join("; ") }];
}
