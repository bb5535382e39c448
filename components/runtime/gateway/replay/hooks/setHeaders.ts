import type { RequestHook } from "./hook";

/** Gives header fields a fixed value: the first field of the name gets it, further ones go, a missing one is added. */
export function setHeaders(values: Readonly<Record<string, string>>): RequestHook {
  const wanted = Object.entries(values).map(([name, value]) => ({ name, key: name.toLowerCase(), value }));
  return {
    rewrite(fields) {
      for (const { name, key, value } of wanted) {
        const first = fields.findIndex((field) => field.name.toLowerCase() === key);
        if (first < 0) {
          fields.push({ name, value });
          continue;
        }
        fields[first]!.value = value;
        for (let at = fields.length - 1; at > first; at--) {
          if (fields[at]!.name.toLowerCase() === key) fields.splice(at, 1);
        }
      }
    },
  };
}
