/**
 * A queue that mostly holds one item or none. It begins with room for one, where an empty array would take room for
 * seventeen with its first item and keep it for as long as the connection is open.
 */
export function shortQueue<T>(): T[] {
  const queue = [undefined as T];
  queue.pop();
  return queue;
}

/** Takes the first of a short queue. It is mostly the only one, for which `shift` would be a slow call. */
export function takeFirst<T>(queue: T[]): T | undefined {
  return queue.length === 1 ? queue.pop() : queue.shift();
}
