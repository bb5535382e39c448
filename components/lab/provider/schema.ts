import type { Field, ResourceKind } from "./resource";

const types: Record<Field["type"], object> = {
  string: { type: "string" },
  number: { type: "number" },
  boolean: { type: "boolean" },
  array: { type: "array", items: { $ref: "pulumi.json#/Any" } },
  object: { type: "object", additionalProperties: { $ref: "pulumi.json#/Any" } },
};

/** Pulumi's schema of a plugin, from the fields of its types; every input is an output too. */
export function packageSchema(name: string, version: string, kinds: Record<string, ResourceKind>): string {
  const resources = Object.entries(kinds).map(([token, { description, fields, replaceOn }]) => {
    const required = Object.keys(fields).filter((field) => fields[field]!.optional !== true);
    const properties = Object.entries(fields).map(([field, { type, description: text }]) => [
      field,
      { ...types[type], description: text, ...(replaceOn.includes(field) ? { willReplaceOnChanges: true } : {}) },
    ]);
    const all = Object.fromEntries(properties) as object;
    return [token, { description, properties: all, required, inputProperties: all, requiredInputs: required }];
  });
  const description = "Networks of Linux namespaces: the resources behind shadownet's lab back end.";
  return JSON.stringify({ name, version, description, resources: Object.fromEntries(resources) as object });
}
