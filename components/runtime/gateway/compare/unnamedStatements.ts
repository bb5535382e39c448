import type { Exchange } from "./exchangeLog";
import { lengthOfPostgres } from "./framings";
import { beginningsIn, type Statements } from "./statements";

const headerBytes = 5;

const code = (letter: string): number => letter.charCodeAt(0);
const [parse, bind, describe, execute, query, statement] = ["P", "B", "D", "E", "Q", "S"].map(code);

/** Whether a name that begins here is the empty one. */
const isEmpty = (message: Buffer, at: number): boolean => message[at] === 0;

/** Where the name behind the first one begins. */
const secondNameIn = (message: Buffer): number => message.indexOf(0, headerBytes) + 1;

/** Which of the two without a name are the same in the shadow as in live. */
interface Known {
  statement: boolean;
  portal: boolean;
}

/** Whether a message means the same in the shadow; changes what is known as the message does. */
function means(message: Buffer, known: Known): boolean {
  switch (message[0]) {
    case parse:
      known.statement ||= isEmpty(message, headerBytes);
      return true;
    case bind:
      if (isEmpty(message, secondNameIn(message)) && !known.statement) return false;
      known.portal ||= isEmpty(message, headerBytes);
      return true;
    case describe:
      if (!isEmpty(message, headerBytes + 1)) return true;
      return message[headerBytes] === statement ? known.statement : known.portal;
    case execute:
      return known.portal || !isEmpty(message, headerBytes);
    case query:
      // It ends both.
      known.statement = known.portal = true;
      return true;
    default:
      return true;
  }
}

/**
 * PostgreSQL's statement and portal without a name, which each new one replaces. Behind a hole they may be older ones in the
 * shadow. A name that the shadow does not know is an error there and runs nothing.
 */
export class UnnamedStatements implements Statements {
  private known: Known = { statement: true, portal: true };

  note(turn: Exchange): void {
    if (this.known.statement && this.known.portal) return;
    const known = { ...this.known };
    const messages = beginningsIn(turn.parts, headerBytes, lengthOfPostgres);
    if (messages.every((message) => means(message, known))) this.known = known;
    else turn.mayGo = () => false;
  }

  hole(): void {
    this.known = { statement: false, portal: false };
  }
}
