import type { RequestHook } from "./hook";

/** Appends a suffix to `Idempotency-Key`, so that a replay is not taken for a repetition of the live request. */
export function idempotencyKey(suffix: string): RequestHook {
  return {
    rewrite(fields) {
      for (const field of fields) {
        if (field.name.toLowerCase() !== "idempotency-key") continue;
        const quoted = field.value.length >= 2 && field.value.startsWith('"') && field.value.endsWith('"');
        field.value = quoted ? `${field.value.slice(0, -1)}${suffix}"` : field.value + suffix;
      }
    },
  };
}
