import { setTimeout as delay } from "node:timers/promises";

import { ShadownetError } from "../../internal/problems";

const stepMilliseconds = 500;

/** What `look` finds, as soon as it finds something; throws when that takes longer than the limit. */
export async function until<T>(
  limitMilliseconds: number,
  what: string,
  look: () => Promise<T | undefined>,
): Promise<T> {
  const deadline = Date.now() + limitMilliseconds;
  for (;;) {
    const found = await look();
    if (found !== undefined) return found;
    if (Date.now() > deadline) {
      throw new ShadownetError("too-slow", `waited ${Math.round(limitMilliseconds / 1000)} s in vain for ${what}`);
    }
    await delay(stepMilliseconds);
  }
}
