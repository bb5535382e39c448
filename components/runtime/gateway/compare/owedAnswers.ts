import { answersOf, type AnswerWalker } from "./answers";
import type { Framing, Walker } from "./framings";

/** Knows whether a client has an answer to all that it has said, where each of its messages has one. */
export class OwedAnswers {
  private answers: AnswerWalker | undefined;
  /** Messages of the client, and answers, that were counted already. */
  private messages = 0;
  private ended = 0;
  private missing = 0;

  constructor(private readonly framing: Framing | undefined) {
    this.answers = this.newWalker();
  }

  /** Whether an answer is still to come; false where that is not known. */
  get areOwed(): boolean {
    return this.missing > 0;
  }

  /** The client's turn is over. */
  asked(walker: Walker | undefined): void {
    const messages = walker?.ended ?? 0;
    if (this.answers !== undefined) this.missing += messages - this.messages;
    this.messages = messages;
  }

  /** The server says something. */
  heard(chunk: Buffer, from: number, to: number): void {
    const { answers } = this;
    if (answers === undefined) return;
    answers.walk(chunk, from, to);
    // A message may have more than one, as where several channels are subscribed to.
    this.missing = Math.max(0, this.missing - (answers.ended - this.ended));
    this.ended = answers.ended;
    if (!answers.whole && !answers.within) this.hole();
  }

  /** Something that the server said was not seen; answers are counted again from the client's next turn on. */
  hole(): void {
    this.answers = undefined;
    this.missing = 0;
  }

  /** The client begins a turn. */
  begin(): void {
    if (this.answers !== undefined) return;
    this.answers = this.newWalker();
    this.ended = 0;
  }

  private newWalker(): AnswerWalker | undefined {
    return this.framing?.answersEach === true ? answersOf(this.framing.application) : undefined;
  }
}
