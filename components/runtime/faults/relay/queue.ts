/** One packet that waits for its time. */
export interface Held<Of = unknown> {
  frame: Buffer;
  /** Where it came from. */
  of: Of;
  /** When it came and when it is to leave, milliseconds of the process's clock. */
  arrived: number;
  due: number;
  /** Arrival order; decides between equal times. */
  order: number;
}

/** Packets ordered by when they are due: a binary heap. */
export class DelayQueue<Of = unknown> {
  private readonly heap: Held<Of>[] = [];

  get size(): number {
    return this.heap.length;
  }

  /** The packet that is due first, without taking it. */
  peek(): Held<Of> | undefined {
    return this.heap[0];
  }

  push(held: Held<Of>): void {
    const { heap } = this;
    let place = heap.length;
    while (place > 0) {
      const parent = (place - 1) >> 1;
      if (!before(held, heap[parent]!)) break;
      heap[place] = heap[parent]!;
      place = parent;
    }
    heap[place] = held;
  }

  /** Takes the packet that is due first; undefined when there is none. */
  pop(): Held<Of> | undefined {
    const { heap } = this;
    const first = heap[0];
    const last = heap.pop();
    if (first === undefined || last === undefined || heap.length === 0) return first;
    let place = 0;
    for (;;) {
      let child = 2 * place + 1;
      if (child >= heap.length) break;
      if (child + 1 < heap.length && before(heap[child + 1]!, heap[child]!)) child++;
      if (!before(heap[child]!, last)) break;
      heap[place] = heap[child]!;
      place = child;
    }
    heap[place] = last;
    return first;
  }
}

function before(a: Held, b: Held): boolean {
  return a.due < b.due || (a.due === b.due && a.order < b.order);
}
