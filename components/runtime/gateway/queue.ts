/** Takes the first of a short queue. It is mostly the only one, for which `shift` would be a slow call. */
export function takeFirst<T>(queue: T[]): T | undefined {
  return queue.length === 1 ? queue.pop() : queue.shift();
}
