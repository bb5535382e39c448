import assert from "node:assert/strict";

import { Session, sessionRulesOf } from "../../../../components/runtime/gateway/compare/session";
import { mongoMessage, postgresMessage, redisCommand } from "../../../support/protocols";

const sessionOf = (application: string | undefined, midStream = false): Session =>
  new Session(sessionRulesOf(application), midStream, undefined);

/** The exchanges, of the first ten, that cannot be the first on a connection. */
const needing = (session: Session, greeted = false): number[] =>
  [...Array(10).keys()].filter((index) => session.needs(index, greeted));

const mysql = (sequence: number, ...body: number[]): Buffer => Buffer.from([body.length, 0, 0, sequence, ...body]);

function amqp(channel: number, classId: number, method: number): Buffer {
  const frame = Buffer.alloc(12);
  frame[0] = 1;
  frame.writeUInt16BE(channel, 1);
  frame.writeUInt32BE(4, 3);
  frame.writeUInt16BE(classId, 7);
  frame.writeUInt16BE(method, 9);
  frame[11] = 0xce;
  return frame;
}

function refusal(session: Session, answer: Buffer): string {
  const around = Buffer.concat([Buffer.from("##"), answer, Buffer.from("##")]);
  return session.refusalIn(around, 2, around.length - 2);
}

/** A document of MongoDB whose first field is a text. */
function document(name: string, ...more: string[]): Buffer {
  const fields = [name, ...more].map((field) => Buffer.from(`\x02${field}\0\x02\0\0\0v\0`, "latin1"));
  const body = Buffer.concat(fields);
  const length = Buffer.alloc(4);
  length.writeUInt32LE(4 + body.length + 1);
  return Buffer.concat([length, body, Buffer.alloc(1)]);
}

const logins: Record<string, { login: Buffer[]; ordinary: Buffer[] }> = {
  redis: {
    login: [
      redisCommand("AUTH", "secret"),
      redisCommand("auth", "me", "secret"),
      redisCommand("HELLO", "3"),
      redisCommand("hello", "3", "AUTH", "me", "secret"),
      redisCommand("SeLeCt", "7"),
    ],
    ordinary: [
      redisCommand("GET", "AUTH"),
      redisCommand("AUTHS", "x"),
      redisCommand("SELECTS"),
      redisCommand("PING"),
      redisCommand("AUTH", ...Array.from("123456789")),
      Buffer.from("PING\r\n"),
      Buffer.from("*1\r\n$4\r"),
    ],
  },
  mongodb: {
    login: [mongoMessage(1, document("saslStart")), mongoMessage(2, document("saslContinue"))],
    ordinary: [
      mongoMessage(1, document("find", "saslStart")),
      mongoMessage(1, document("saslStarts")),
      mongoMessage(1, document("hello", "speculativeAuthenticate")),
      mongoMessage(1, Buffer.alloc(3)),
    ],
  },
};

/** What is said in a login, what of the answers welcomes the client, and what does not. */
const welcomes: Record<string, { login: Buffer[]; welcoming: Buffer[]; others: Buffer[]; ordinary: Buffer }> = {
  postgres: {
    login: [Buffer.from("0000000900030000ff", "hex"), postgresMessage("p", Buffer.from("secret\0"))],
    welcoming: [
      postgresMessage("Z", Buffer.from("I")),
      Buffer.concat([postgresMessage("R", Buffer.alloc(4)), postgresMessage("Z", Buffer.from("T"))]),
    ],
    others: [postgresMessage("R", Buffer.alloc(4)), postgresMessage("Z", Buffer.alloc(2)), Buffer.from("Z")],
    ordinary: postgresMessage("Q", Buffer.from("select\0")),
  },
  mysql: {
    login: [mysql(1, 1, 2, 3), mysql(3, 9)],
    welcoming: [
      mysql(2, 0, 0, 0, 2, 0, 0, 0),
      Buffer.concat([mysql(2, 1, 3), mysql(3, 0, 0, 0, 2, 0, 0, 0)]),
      Buffer.concat([mysql(2, 1), mysql(3, 0, 0)]),
    ],
    others: [mysql(2, 1, 4), mysql(2, 0xff, 21, 4), mysql(2, 0xfe, 0), Buffer.alloc(3)],
    ordinary: mysql(0, 3, 65),
  },
  amqp: {
    login: [Buffer.from("AMQP\0\0\t\u0001", "latin1"), amqp(0, 10, 11), amqp(0, 10, 40), amqp(1, 20, 10)],
    welcoming: [amqp(1, 20, 11)],
    others: [amqp(0, 10, 30), amqp(1, 20, 41), amqp(1, 20, 11).subarray(0, 10)],
    ordinary: amqp(1, 60, 40),
  },
};

describe("gateway: what a connection must have been told", () => {
  for (const [application, { login, ordinary }] of Object.entries(logins)) {
    it(`is the last login, where there was one: ${application}`, () => {
      const [word] = ordinary;
      for (const message of ordinary) {
        const session = sessionOf(application);
        for (const index of [0, 1, 2]) session.note(index, index === 1 ? message : word);
        assert.deepEqual(needing(session), [], message.toString("latin1"));
      }
      for (const message of login) {
        const session = sessionOf(application);
        for (const index of [0, 1, 2]) session.note(index, index === 1 ? message : word);
        assert.deepEqual(needing(session), [2, 3, 4, 5, 6, 7, 8, 9], message.toString("latin1"));
        session.note(5, message);
        assert.deepEqual(needing(session), [2, 3, 4, 6, 7, 8, 9], message.toString("latin1"));
      }
    });
  }

  it("is a login that a first message of MongoDB brings along", () => {
    const session = sessionOf("mongodb");
    session.note(0, mongoMessage(1, document("hello", "speculativeAuthenticate")));
    assert.deepEqual(needing(session), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
  });

  it("is everything from the first word on where there is always a login, or where the server speaks first", () => {
    const all = [1, 2, 3, 4, 5, 6, 7, 8, 9];
    for (const application of ["postgres", "mysql", "amqp", "tls", "ssh"]) {
      assert.deepEqual(needing(sessionOf(application)), all);
    }
    assert.deepEqual([needing(sessionOf(undefined)), needing(sessionOf(undefined), true)], [[], all]);
    assert.deepEqual(needing(sessionOf("redis"), true), []);
    assert.deepEqual(needing(new Session(undefined, false, 4)), [4, 5, 6, 7, 8, 9]);
  });

  for (const [application, { login, welcoming, others, ordinary }] of Object.entries(welcomes)) {
    it(`is lost with a hole until the client is welcome, and not after that: ${application}`, () => {
      const lostBehind = (answer: Buffer | undefined, next?: Buffer): boolean => {
        const session = sessionOf(application);
        login.forEach((message, index) => session.note(index, message));
        const around = Buffer.concat([Buffer.from("##"), answer ?? Buffer.alloc(0)]);
        if (answer !== undefined) session.liveAnswers(around, 2, around.length);
        if (next !== undefined) session.note(login.length, next);
        session.hole();
        return session.lost;
      };
      assert.equal(lostBehind(undefined), true);
      for (const answer of welcoming) assert.equal(lostBehind(answer), false, answer.toString("hex"));
      for (const answer of others) assert.equal(lostBehind(answer), true, answer.toString("hex"));
      assert.equal(lostBehind(undefined, ordinary), false);
    });
  }

  const denials: Record<string, [denial: Buffer, other: Buffer]> = {
    redis: [Buffer.from("-NOAUTH Authentication required.\r\n"), Buffer.from("-ERR NOAUTH\r\n")],
    mongodb: [
      mongoMessage(1, Buffer.from("codeName\0\x0d\0\0\0Unauthorized\0", "latin1")),
      mongoMessage(1, Buffer.from("codeName\0\x0d\0\0\0NotUnauthed1\0", "latin1")),
    ],
  };
  for (const [application, [denial, other]] of Object.entries(denials)) {
    it(`shows in the shadow's answer where its beginning was not seen: ${application}`, () => {
      assert.equal(refusal(sessionOf(application, true), denial), "all");
      assert.equal(refusal(sessionOf(application, true), other), "none");
      assert.equal(refusal(sessionOf(application, true), denial.subarray(0, 6)), "none");
      assert.equal(refusal(sessionOf(application), denial), "none");
      const holed = sessionOf(application);
      holed.hole();
      assert.equal(refusal(holed, denial), "all");
      const loggedIn = sessionOf(application, true);
      loggedIn.note(3, logins[application]!.login[0]);
      // A password is taken by both servers or by none; the answer to a challenge is taken by the one that made it.
      assert.equal(refusal(loggedIn, denial), application === "mongodb" ? "all" : "none");
    });
  }

  it("is not a cursor: no shadow knows those that live's server has given out", () => {
    const killed = (bytes: number): Buffer => Buffer.from(`\x04cursorsNotFound\0${String.fromCharCode(bytes)}\0\0\0`);
    const answers = {
      one: [Buffer.from("\x02codeName\0\x0f\0\0\0CursorNotFound\0"), killed(16)],
      none: [Buffer.from("\x02codeName\0\x0d\0\0\0Unauthorized\0"), killed(5), Buffer.from("CursorNotFound")],
    };
    for (const [expected, list] of Object.entries(answers)) {
      for (const answer of list) assert.equal(refusal(sessionOf("mongodb"), mongoMessage(1, answer)), expected);
      for (const answer of list) assert.equal(refusal(sessionOf("redis"), mongoMessage(1, answer)), "none");
    }
  });
});
