/** A block of addresses: its lowest address as a number, and the length of its prefix. */
export interface Block {
  base: number;
  length: number;
}

/** What a pair of filter rules takes, in numbers, so that many can be compared. */
export interface Area {
  /** 0 for every protocol; then the ports are all. */
  protocol: number;
  source: Block;
  destination: Block;
  sourceFirst: number;
  sourceLast: number;
  destinationFirst: number;
  destinationLast: number;
}

/** At most so many areas that together take at least what the given ones do: the cheapest pairs are joined first. */
export function mergeAreas(given: readonly Area[], most: number): Area[] {
  let areas = withoutContained(given);
  while (areas.length > most) {
    let cheapest = Infinity;
    let pair: [number, number] = [0, 1];
    for (let one = 0; one < areas.length; one++) {
      for (let other = one + 1; other < areas.length; other++) {
        const cost = size(join(areas[one]!, areas[other]!)) - Math.max(size(areas[one]!), size(areas[other]!));
        if (cost < cheapest) [cheapest, pair] = [cost, [one, other]];
      }
    }
    const joined = join(areas[pair[0]]!, areas[pair[1]]!);
    areas = withoutContained([...areas.filter((_, at) => !pair.includes(at)), joined]);
  }
  return areas;
}

/** Whether everything that the second area takes is taken by the first. */
export function areaCovers(wide: Area, narrow: Area): boolean {
  return (
    (wide.protocol === 0 || wide.protocol === narrow.protocol) &&
    blockCovers(wide.source, narrow.source) &&
    blockCovers(wide.destination, narrow.destination) &&
    wide.sourceFirst <= narrow.sourceFirst &&
    wide.sourceLast >= narrow.sourceLast &&
    wide.destinationFirst <= narrow.destinationFirst &&
    wide.destinationLast >= narrow.destinationLast
  );
}

/** The first of several that are the same stays. */
function withoutContained(areas: readonly Area[]): Area[] {
  return areas.filter(
    (area, index) =>
      !areas.some((other, at) => at !== index && areaCovers(other, area) && (at < index || !areaCovers(area, other))),
  );
}

function join(a: Area, b: Area): Area {
  const source = commonBlock(a.source, b.source);
  const destination = commonBlock(a.destination, b.destination);
  if (a.protocol === 0 || a.protocol !== b.protocol) {
    const all = { sourceFirst: 0, sourceLast: 65_535, destinationFirst: 0, destinationLast: 65_535 };
    return { protocol: 0, source, destination, ...all };
  }
  return {
    protocol: a.protocol,
    source,
    destination,
    sourceFirst: Math.min(a.sourceFirst, b.sourceFirst),
    sourceLast: Math.max(a.sourceLast, b.sourceLast),
    destinationFirst: Math.min(a.destinationFirst, b.destinationFirst),
    destinationLast: Math.max(a.destinationLast, b.destinationLast),
  };
}

function commonBlock(a: Block, b: Block): Block {
  const same = Math.clz32((a.base ^ b.base) >>> 0);
  const length = Math.min(a.length, b.length, same);
  return { base: masked(a.base, length), length };
}

function blockCovers(wide: Block, narrow: Block): boolean {
  return wide.length <= narrow.length && masked(narrow.base, wide.length) === wide.base;
}

function masked(base: number, length: number): number {
  return length === 0 ? 0 : (base & (-1 << (32 - length))) >>> 0;
}

/** How much an area takes, as a power of two. */
function size(area: Area): number {
  const ports =
    Math.log2(area.sourceLast - area.sourceFirst + 1) + Math.log2(area.destinationLast - area.destinationFirst + 1);
  return (area.protocol === 0 ? 1 : 0) + 64 - area.source.length - area.destination.length + ports;
}
