import type { Exchange } from "../compare/exchangeLog";

/** A request whose answers are paired by their order. */
export interface OrderedRequest {
  exchange: Exchange;
  /** Its answer was not waited for: what comes now answers a later one, if any is open. */
  past: boolean;
}

/** After a silence of this long what has not been answered is taken for lost, by the mirror or by the shadow. */
const silenceMilliseconds = 5_000;
/** So many answers in a row that show to which request they belong prove whether a flow is in step. */
const proofsNeeded = 3;

/**
 * Answers of most protocols do not say to which datagram they belong, and one that is missing shifts all that follow. Only
 * what is sent while no answer is owed, and is answered before the next is sent, is known to be paired rightly. Where live
 * owes an answer, either its client does not wait for answers or the mirror lost one: nothing is compared from there on
 * until it can be told again.
 */
export class DatagramOrder {
  private astray = false;
  private shown: "newest" | "before" | undefined;
  private proofs = 0;
  private newest: Exchange | undefined;
  private beforeNewest: Exchange | undefined;
  /** To whom the answers of live went that came after the newest request; undefined for one that nobody waits for. */
  private answered: (Exchange | undefined)[] = [];

  /** The next request comes, so long after the last packet of its flow. */
  follow(exchange: Exchange, waiting: readonly OrderedRequest[], silence: number): void {
    this.weigh();
    const isProven = this.proofs >= proofsNeeded;
    if (isProven && this.shown === "before") this.astray = true;
    if (silence >= silenceMilliseconds || (this.astray && isProven && this.shown === "newest")) {
      this.astray = false;
      for (const request of waiting) leaveBehind(request);
    }
    if (waiting.some((request) => owes(request, "live"))) this.astray = true;
    if (this.astray || waiting.some((request) => owes(request, "shadow"))) exchange.goesOnFrom(this.newest);
    this.beforeNewest = this.newest;
    this.newest = exchange;
    this.answered = [];
  }

  /** Live has answered. */
  answer(exchange: Exchange | undefined): void {
    if (this.answered.length < 2) this.answered.push(exchange);
  }

  private weigh(): void {
    const shown = this.belonging();
    this.proofs = shown === this.shown ? this.proofs + 1 : 1;
    this.shown = shown;
  }

  /** To which request the shadow gives what live's only answer since the newest one says, and not to the other. */
  private belonging(): "newest" | "before" | undefined {
    const digest = this.answered.length === 1 ? this.answered[0]?.live.digest : undefined;
    const isNewest = this.newest?.shadow.digest === digest;
    const isBefore = this.beforeNewest?.shadow.digest === digest;
    if (digest === undefined || isNewest === isBefore) return undefined;
    return isNewest ? "newest" : "before";
  }
}

function owes({ exchange, past }: OrderedRequest, which: "live" | "shadow"): boolean {
  return !past && !exchange[which].settled;
}

function leaveBehind(request: OrderedRequest): void {
  const { live, shadow } = request.exchange;
  if (live.settled && shadow.settled) return;
  request.past = true;
  request.exchange.overlapping = true;
}
