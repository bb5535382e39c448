import { readdirSync } from "node:fs";
import { basename, join } from "node:path";

import type {
  Policies,
  PolicyConfigSchema,
  PolicyResource,
  ResourceValidationPolicy,
  StackValidationPolicy,
} from "@pulumi/policy";

import { sideOf } from "./membership";
import type { Finding, Rule, ShadowStack, StackFinding } from "./rule";
import { isUnknownValue, shown } from "./values";

/** A rule with the id that its file gives it. */
export interface NamedRule {
  id: string;
  rule: Rule;
}

/** The rules of a pack's folder: every file beside the index, in the order of their ids. */
export function loadRules(folder: string): NamedRule[] {
  const pack = basename(folder);
  return readdirSync(folder)
    .filter((file) => /\.(ts|js)$/.test(file) && !file.endsWith(".d.ts") && !file.startsWith("index."))
    .map((file) => file.replace(/\.(ts|js)$/, ""))
    .sort()
    .map((file) => {
      // The folder is the list: a rule that lies in it is in force.
      // eslint-disable-next-line @typescript-eslint/no-require-imports
      const { rule } = require(join(folder, file)) as { rule: Rule };
      return { id: `${pack}-${file.replaceAll(/[A-Z]/g, (letter) => `-${letter.toLowerCase()}`)}`, rule };
    });
}

/** Rules as the engine takes them; all are mandatory unless the user's configuration says otherwise. */
export function policiesOf(rules: readonly NamedRule[]): Policies {
  return rules.map((named) => ({ ...common(named), ...resourcePart(named), ...stackPart(named) }));
}

function resourcePart({ id, rule }: NamedRule): Partial<ResourceValidationPolicy> {
  if (rule.checks === undefined) return {};
  const { side = "shadow" } = rule;
  return {
    validateResource: (args, report) => {
      const { type, props, urn, name } = args;
      if (rule.types !== undefined && !rule.types.includes(type)) return;
      const own = sideOf(urn, props);
      if (side !== "any" && (own === "none" || (side !== "both" && side !== own))) return;
      const context = { type, config: withDefaults(rule.config, args.getConfig()) };
      const { findings, unknown } = collect((rule.checks ?? []).map((check) => () => check(props, context)));
      for (const finding of findings) report(messageOf(id, name, finding));
      if (findings.length === 0 && unknown !== undefined) throw unknown;
    },
  };
}

/** What a rule sees in the stack as a whole: its own check, and what is outside every shadow but reaches into one. */
function stackPart({ id, rule }: NamedRule): { validateStack: StackValidationPolicy["validateStack"] } {
  return {
    validateStack: (args, report) => {
      const stack = stackOf(args.resources, withDefaults(rule.config, args.getConfig()));
      const { findings, unknown } = collect([() => rule.checkStack?.(stack) ?? [], ...reachingIn(rule, stack)]);
      for (const { resource, ...finding } of findings) report(messageOf(id, resource.name, finding), resource.urn);
      if (findings.length === 0 && unknown !== undefined) throw unknown;
    },
  };
}

/** The checks of single resources for those that belong to no shadow but use a part of one, a route in its table for example. */
function reachingIn({ types, checks = [], side = "shadow" }: Rule, stack: ShadowStack): (() => StackFinding[])[] {
  if (types === undefined || side === "production" || side === "any") return [];
  const shadow = new Set(stack.shadow.map(({ urn }) => urn));
  return stack.resources
    .filter(({ type, urn, props }) => types.includes(type) && sideOf(urn, props) === "none")
    .filter(({ propertyDependencies }) =>
      Object.values(propertyDependencies)
        .flat()
        .some(({ urn }) => shadow.has(urn)),
    )
    .flatMap((resource) =>
      checks.map((check) => () => {
        const context = { type: resource.type, config: stack.config };
        return check(resource.props, context).map((finding) => ({ ...finding, resource }));
      }),
    );
}

/** A stack as its rules see it. */
export function stackOf(resources: readonly PolicyResource[], config: Record<string, unknown>): ShadowStack {
  return { resources, shadow: resources.filter(({ urn, props }) => sideOf(urn, props) === "shadow"), config };
}

function common({ id, rule: { description, config } }: NamedRule) {
  return {
    name: id,
    description,
    enforcementLevel: "mandatory" as const,
    ...(config === undefined ? {} : { configSchema: config }),
  };
}

/** What the user configured, with the schema's defaults where nothing is given. */
export function withDefaults(schema: PolicyConfigSchema | undefined, given: object): Record<string, unknown> {
  const defaults = Object.entries(schema?.properties ?? {}).map(([key, { default: value }]) => [key, value as unknown]);
  return { ...(Object.fromEntries(defaults) as Record<string, unknown>), ...given };
}

/** Findings of all parts; a part that met a value which only the update knows does not keep the others from theirs. */
export function collect<T>(parts: readonly (() => T[])[]): { findings: T[]; unknown?: Error } {
  const findings: T[] = [];
  let unknown: Error | undefined;
  for (const part of parts) {
    try {
      findings.push(...part());
    } catch (error) {
      if (!isUnknownValue(error)) throw error;
      unknown = error;
    }
  }
  return { findings, ...(unknown === undefined ? {} : { unknown }) };
}

/** The resource, the property, its value, why not, and the cure. */
export function messageOf(id: string, name: string, { property, value, reason, cure }: Finding): string {
  const what = value === undefined ? `${property} is missing` : `${property} = ${shown(value)}`;
  return `[${id}] ${name}: ${what}: ${reason}; ${cure}`;
}

/** The table of a pack's rules for the docs. */
export function rulesTable(rules: readonly NamedRule[]): string {
  const rows = rules.map(({ id, rule: { description, config } }) => {
    const settings = Object.keys(config?.properties ?? {}).map((name) => `\`${name}\``);
    return `| \`${id}\` | ${description} | ${settings.join(", ") || "–"} |`;
  });
  return ["| rule | what it asks for | settings |", "| --- | --- | --- |", ...rows].join("\n");
}
