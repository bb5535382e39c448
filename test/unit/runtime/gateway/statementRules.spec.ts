import assert from "node:assert/strict";

import { Exchange } from "../../../../components/runtime/gateway/compare/exchangeLog";
import { NumberedStatements } from "../../../../components/runtime/gateway/compare/numberedStatements";
import { UnnamedStatements } from "../../../../components/runtime/gateway/compare/unnamedStatements";
import { mysqlPacket, postgresMessage } from "../../../support/protocols";
import {
  mysqlClose,
  mysqlExecute,
  mysqlPrepare,
  postgresExecute,
  postgresPrepare,
} from "../../../support/statementServers";

const text = (value: string): Buffer => Buffer.from(value, "latin1");

function turnOf(index: number, ...messages: Buffer[]): Exchange {
  const turn = new Exchange("", index, "raw", 0);
  // Messages begin and end anywhere in packets.
  const bytes = Buffer.concat(messages);
  for (let at = 0; at < bytes.length; at += 7) turn.add(bytes.subarray(at, at + 7));
  return turn;
}

const numbered = (number: number): Buffer => {
  const body = Buffer.alloc(12);
  body.writeUInt32LE(number, 1);
  return mysqlPacket(1, body);
};

const refused = mysqlPacket(1, text("\xff\x28\x04#42000no"));

/** A client of MySQL on one connection, and what both servers answer to it. */
class Client {
  private readonly statements = new NumberedStatements();
  private index = 0;

  /** Whether what it says goes to the shadow, with the numbers that both give where it prepares. */
  says(messages: readonly Buffer[], live?: number | Buffer, shadow?: number | Buffer, shadowFirst = false): boolean {
    const turn = turnOf(this.index++, ...messages);
    this.statements.note(turn);
    const goes = turn.mayGo?.() ?? true;
    const answers = [
      () => live !== undefined && this.statements.liveAnswers(turn, ...this.answer(live)),
      () => goes && shadow !== undefined && this.statements.shadowAnswers(turn, ...this.answer(shadow)),
    ];
    for (const answer of shadowFirst ? answers.reverse() : answers) answer();
    return goes;
  }

  hole(): void {
    this.statements.hole();
  }

  runs(number: number): boolean {
    return this.says([mysqlExecute(number, 0)]);
  }

  private answer(given: number | Buffer): [Buffer, number, number] {
    const answer = typeof given === "number" ? numbered(given) : given;
    return [Buffer.concat([text("##"), answer, text("##")]), 2, 2 + answer.length];
  }
}

const preparing = [mysqlPrepare("SELECT 1")];
const newest = 0xffffffff;

describe("gateway: MySQL's numbers of statements", () => {
  for (const shadowFirst of [false, true]) {
    it(`are the same where both servers give the same, ${shadowFirst ? "the shadow" : "live"} first`, () => {
      const client = new Client();
      client.says(preparing, 1, 1, shadowFirst);
      client.says(preparing, 2, 3, shadowFirst);
      assert.deepEqual(
        [1, 2, 3, 4].map((number) => client.runs(number)),
        [true, false, false, false],
      );
    });
  }

  it("say nothing of what they do not concern", () => {
    const client = new Client();
    client.hole();
    for (const body of ["\x03SELECT 1", "\x0e", "\x17", ""]) assert.ok(client.says([mysqlPacket(0, text(body))]));
    assert.ok(client.says([mysqlPacket(2, text("\x17\x09\0\0\0 a file's bytes"))]));
  });

  it("are those of later statements where an earlier one was lost, until they agree again", () => {
    const client = new Client();
    client.says(preparing, 1, 1);
    client.hole();
    client.says(preparing, 3, 2);
    client.says(preparing, undefined, 3);
    client.says([mysqlPacket(0, text("\x1f"))]);
    assert.deepEqual(
      [1, 2, 3].map((number) => client.runs(number)),
      [false, false, false],
    );
    client.says(preparing, 4, 4);
    client.says(preparing, undefined, 5);
    assert.deepEqual(
      [3, 4, 5].map((number) => client.runs(number)),
      [false, true, true],
    );
  });

  it("are taken for the same where live's answer was lost and nothing of the client", () => {
    const client = new Client();
    client.says(preparing, undefined, 1);
    client.says([mysqlPacket(0, text("\x03BEGIN"))]);
    assert.ok(client.runs(1));
    client.hole();
    client.says(preparing, undefined, 2);
    assert.ok(!client.runs(2));
  });

  it("are none where one of the servers refuses", () => {
    const client = new Client();
    client.says(preparing, 1, refused);
    client.says(preparing, refused, 2);
    assert.deepEqual(
      [1, 2].map((number) => client.runs(number)),
      [false, false],
    );
  });

  it("are not known any more once they are closed", () => {
    const client = new Client();
    client.says(preparing, 1, 1);
    assert.ok(client.says([mysqlClose(1), mysqlPacket(0, text("\x03SELECT 1"))]));
    assert.ok(!client.says([mysqlClose(1), ...preparing], 2, undefined));
    client.says(preparing, undefined, 2);
    assert.ok(!client.runs(2), "the shadow has not got all that live has");
  });

  it("may be those of what was prepared last", () => {
    const client = new Client();
    const run = mysqlExecute(newest, 0);
    assert.ok(!client.says([run]));
    assert.ok(client.says([...preparing, run], 1, 1));
    assert.ok(client.says([run]));
    client.hole();
    assert.ok(!client.says([run]));
    assert.ok(!client.says([run, ...preparing], 2, 2));
    assert.ok(client.says(preparing, 3, 2) && client.says([run]));
  });

  it("are no part of what is compared", () => {
    const statements = new NumberedStatements();
    const turn = turnOf(0, ...preparing);
    statements.note(turn);
    const [live, shadow] = [numbered(7), numbered(8)];
    statements.liveAnswers(turn, live, 0, live.length);
    statements.shadowAnswers(turn, shadow, 0, shadow.length);
    assert.deepEqual(live, shadow);
  });
});

describe("gateway: PostgreSQL's statement and portal without a name", () => {
  const goes = (statements: UnnamedStatements, ...messages: Buffer[]): boolean => {
    const turn = turnOf(0, ...messages);
    statements.note(turn);
    return turn.mayGo?.() ?? true;
  };
  const holed = (): UnnamedStatements => {
    const statements = new UnnamedStatements();
    statements.hole();
    return statements;
  };
  const runPortal = (name: string): Buffer => postgresMessage("E", text(`${name}\0\0\0\0\0`));
  const describes = (kind: string, name: string): Buffer => postgresMessage("D", text(`${kind}${name}\0`));

  it("are known as long as nothing is lost", () => {
    assert.ok(goes(new UnnamedStatements(), postgresExecute("", 1), runPortal("")));
  });

  it("may be older ones behind a hole, and those with a name may not", () => {
    const unknown = [postgresExecute("", 1), runPortal(""), describes("S", ""), describes("P", "")];
    for (const message of unknown) assert.ok(!goes(holed(), message), message.toString("hex"));
    const known = [postgresExecute("s1", 1), runPortal("p"), describes("S", "s1"), describes("P", "p")];
    for (const message of known) assert.ok(goes(holed(), message), message.toString("hex"));
    const long = "x".repeat(200);
    assert.ok(goes(holed(), postgresMessage("B", text(`${long}\0${long}\0`))));
  });

  it("are known again with the next one, or when a simple query ends them", () => {
    const statements = holed();
    assert.ok(goes(statements, postgresPrepare("s", "SELECT 1")));
    assert.ok(!goes(statements, postgresExecute("", 1)));
    assert.ok(
      !goes(statements, postgresExecute("", 1), postgresPrepare("", "SELECT 1")),
      "what is not sent tells nothing",
    );
    assert.ok(!goes(statements, postgresExecute("", 1)));
    assert.ok(goes(statements, postgresPrepare("", "SELECT 1"), postgresExecute("", 1)));
    assert.ok(goes(statements, runPortal("")));
    const queried = holed();
    assert.ok(goes(queried, postgresMessage("Q", text("SELECT 1\0"))));
    assert.ok(goes(queried, postgresExecute("", 1)));
  });
});
