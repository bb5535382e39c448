import { createHash } from "node:crypto";

import type { Topology } from "../topology";

/**
 * The arguments of a part of a shadow as the engine keeps them, to show what changes: of the topology its name and a
 * digest. Every part is given the whole topology; kept with each of them, it would be taken apart, sent and written into
 * the state as many times, again with every step of an update.
 */
export function notedArgs<Args extends { topology?: Topology }>({ topology, ...others }: Args) {
  // What is no topology is refused after this, in its own words.
  const text = JSON.stringify(topology ?? null);
  return { ...others, topology: { name: topology?.name, sha256: createHash("sha256").update(text).digest("hex") } };
}
