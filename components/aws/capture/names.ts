import { createHash } from "node:crypto";

/** Something that needs a name: its id in AWS and what it would be called if nobody else were. */
export interface Wanted {
  id: string;
  /** Its Name tag or the like. Defaults to the id. */
  wanted?: string;
}

const longest = 63;

/** A text as a name of the topology: at most 63 lower-case letters, digits and single hyphens; empty when nothing is left. */
export function plainName(text: string): string {
  const plain = text.toLowerCase().replace(/[^a-z0-9]+/g, "-");
  return cut(plain.replace(/^-+/, ""), longest);
}

function cut(name: string, length: number): string {
  return name.slice(0, length).replace(/-+$/, "");
}

/**
 * One name for each thing, by its id. Where several want the same, every one of them gets the end of its id behind it,
 * so that a name depends neither on the order nor on which of them AWS told first.
 */
export function uniqueNames(things: readonly Wanted[]): Map<string, string> {
  const levels = new Map(things.map(({ id }) => [id, 0]));
  for (;;) {
    const holders = new Map<string, string[]>();
    for (const thing of things) {
      const name = nameAt(thing, levels.get(thing.id)!);
      holders.set(name, [...(holders.get(name) ?? []), thing.id]);
    }
    const clashing = [...holders.values()].filter((ids) => ids.length > 1).flat();
    const raised = clashing.filter((id) => levels.get(id)! < 2);
    if (raised.length === 0) return new Map([...holders].flatMap(([name, ids]) => ids.map((id) => [id, name])));
    for (const id of raised) levels.set(id, levels.get(id)! + 1);
  }
}

/** The plain name, then with the id's last characters, then with a hash of the id. */
function nameAt({ id, wanted = id }: Wanted, level: number): string {
  const plain = plainName(wanted) || plainName(id) || "unnamed";
  if (level === 0) return plain;
  const hash = createHash("sha256").update(id).digest("hex");
  const suffix =
    level === 1
      ? id
          .toLowerCase()
          .replace(/[^a-z0-9]/g, "")
          .slice(-5) || hash.slice(0, 5)
      : hash.slice(0, 16);
  return `${cut(plain, longest - 1 - suffix.length)}-${suffix}`;
}

/** Value of a tag; undefined when there is none or an empty one. */
export function tagValue(
  tags: readonly { Key?: string; Value?: string }[] | undefined,
  key: string,
): string | undefined {
  return tags?.find(({ Key }) => Key === key)?.Value || undefined;
}

/** Value of the Name tag. */
export function nameTag(tags: readonly { Key?: string; Value?: string }[] | undefined): string | undefined {
  return tagValue(tags, "Name");
}
