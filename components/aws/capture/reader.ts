import { ExitCode, ShadownetError } from "../../internal/problems";
import { accessFailure, isRefused, refusalReason } from "./failures";

/** How many series of calls run at a time. */
const atOnce = 6;

/** Makes calls a few at a time and turns refused ones into sentences. */
export interface Reader {
  /** What could not be read, one sentence each. */
  unreadable: string[];
  /** Aborts what is running. */
  signal: AbortSignal | undefined;
  /** The answer of one call; undefined when it was refused, which is then said in `unreadable`. */
  one<T>(what: string, call: () => Promise<T>): Promise<T | undefined>;
  /** The items of all pages of a series; those so far when it is refused, which is then said in `unreadable`. */
  all<Page, Item>(
    what: string,
    pages: () => AsyncIterable<Page>,
    items: (page: Page) => Item[] | undefined,
  ): Promise<Item[]>;
  /** Items of several series, one for each batch of the keys, for calls that take many ids. */
  batches<Page, Item>(
    what: string,
    keys: readonly string[],
    size: number,
    pages: (batch: string[]) => AsyncIterable<Page>,
    items: (page: Page) => Item[] | undefined,
  ): Promise<Item[]>;
}

/** Makes a reader. */
export function makeReader(signal?: AbortSignal): Reader {
  const unreadable = new Set<string>();
  const sentences: string[] = [];
  const inTurn = limit(atOnce);
  const guarded = async <T>(what: string, work: () => Promise<T>): Promise<T | undefined> => {
    try {
      return await inTurn(() => {
        signal?.throwIfAborted();
        return work();
      });
    } catch (error) {
      if (signal?.aborted === true) {
        throw new ShadownetError("interrupted", "stopped by the user; nothing was written", ExitCode.FailureFound);
      }
      if (!isRefused(error)) throw accessFailure(error);
      const sentence = `${what} could not be read: ${refusalReason(error)}`;
      if (!unreadable.has(sentence)) sentences.push(sentence);
      unreadable.add(sentence);
      return undefined;
    }
  };
  const all: Reader["all"] = async (what, pages, items) => {
    const found: Exclude<ReturnType<typeof items>, undefined> = [];
    await guarded(what, async () => {
      for await (const page of pages()) for (const item of items(page) ?? []) found.push(item);
    });
    return found;
  };
  return {
    unreadable: sentences,
    signal,
    one: guarded,
    all,
    async batches(what, keys, size, pages, items) {
      const parts = batchesOf([...new Set(keys)], size).map((batch) => all(what, () => pages(batch), items));
      return (await Promise.all(parts)).flat();
    },
  };
}

/** Cuts a list into parts of at most `size`. */
export function batchesOf<T>(list: readonly T[], size: number): T[][] {
  const batches: T[][] = [];
  for (let at = 0; at < list.length; at += size) batches.push(list.slice(at, at + size));
  return batches;
}

/** Lets at most `count` pieces of work run at a time. */
function limit(count: number): <T>(work: () => Promise<T>) => Promise<T> {
  let free = count;
  const waiting: (() => void)[] = [];
  return async (work) => {
    if (free > 0) free--;
    else await new Promise<void>((resolve) => waiting.push(resolve));
    try {
      return await work();
    } finally {
      const next = waiting.shift();
      if (next === undefined) free++;
      else next();
    }
  };
}
