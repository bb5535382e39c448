import assert from "node:assert/strict";
import type { Socket } from "node:net";

import fc from "fast-check";

import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";
import { randomFrom } from "../../../support/damage";
import { conversations, mysqlPacket, postgresMessage } from "../../../support/protocols";
import {
  mysqlClose,
  mysqlExecute,
  mysqlPrepare,
  MysqlStatements,
  postgresExecute,
  postgresPrepare,
  PostgresStatements,
  type StatementServer,
} from "../../../support/statementServers";

const server = { address: "10.9.0.1", port: 5_555 };

/** What a client does: it prepares its next statement, or runs or closes one that it has. */
type Step = ["prepare" | "fail" | "query"] | ["run" | "close", number];

const steps = fc.array(
  fc.oneof(
    fc.constantFrom<Step>(["prepare"], ["prepare"], ["fail"], ["query"]),
    fc.tuple(fc.constantFrom("run" as const, "run" as const, "close" as const), fc.nat(7)),
  ),
  { minLength: 4, maxLength: 25 },
);

/** Speaks a protocol as clients do that prepare their statements. */
interface Dialect {
  newServer(): StatementServer;
  /** What the client says of a step, when so many were done before; `open` has the answers to what it has prepared. */
  says(step: Step, done: number, open: Buffer[]): Buffer | undefined;
  /** Something that ends what the client said without an answer. */
  readonly last: Buffer;
}

const mysql: Dialect = {
  newServer: () => new MysqlStatements(),
  says: ([kind, which = 0], done, open) => {
    if (kind === "query") return mysqlPacket(0, Buffer.from("\x03SELECT 1"));
    if (kind === "prepare") return mysqlPrepare(`SELECT ${done} FROM here`);
    if (kind === "fail") return mysqlPrepare(`SELECT ${done} FROM nonsense`);
    if (open.length === 0) return undefined;
    const number = open[which % open.length]!.readUInt32LE(5);
    if (kind === "run") return mysqlExecute(number, done);
    open.splice(which % open.length, 1);
    return mysqlClose(number);
  },
  last: mysqlPacket(0, Buffer.from("\x03COMMIT")),
};

/** Clients of PostgreSQL that give a name to some of their statements, and to each another one. */
const postgres: Dialect = {
  newServer: () => new PostgresStatements(),
  says: ([kind, which = 0], done, open) => {
    if (kind === "close") return undefined;
    if (kind === "query" || kind === "fail") return postgresMessage("S", Buffer.alloc(0));
    const named = Math.floor(open.length / 2);
    if (kind === "run") return postgresExecute(which < 4 || named === 0 ? "" : `s${which % named}`, done);
    return postgresPrepare(open.length % 2 === 0 ? "" : `s${named}`, `SELECT ${done}`);
  },
  last: postgresMessage("S", Buffer.alloc(0)),
};

describe("gateway: statements that clients prepare", function () {
  this.timeout(120_000);
  let shadow: RecordingServer;
  let harness: GatewayHarness;
  let port = 10_000;
  /** The servers behind the shadow's connections. */
  let servers: Map<Socket, StatementServer>;

  const start = async (dialect: Dialect): Promise<void> => {
    servers = new Map();
    const unread = new Map<Socket, Buffer>();
    shadow = await RecordingServer.start((socket, _all, fresh) => {
      let rest = Buffer.concat([unread.get(socket) ?? Buffer.alloc(0), fresh]);
      const its = servers.get(socket)!;
      const answers: Buffer[] = [];
      for (let length = its.nextLength(rest); length > 0; length = its.nextLength(rest)) {
        answers.push(its.answer(rest.subarray(0, length)));
        rest = rest.subarray(length);
      }
      unread.set(socket, rest);
      socket.write(Buffer.concat(answers));
    });
    shadow.server.on("connection", (socket) => {
      const its = dialect.newServer();
      servers.set(socket, its);
      if (its.greeting !== undefined) socket.write(its.greeting);
    });
    harness = await GatewayHarness.start({
      to: { "10.9.0.1:5555": `127.0.0.1:${shadow.port}` },
      responseTimeoutSeconds: 2,
      limits: { holeTimeoutMilliseconds: 300 },
    });
  };

  afterEach(async () => {
    await harness.stop();
    harness.remove();
    await shadow.stop();
  });

  interface Talk {
    live: StatementServer;
    frames: Buffer[];
    /** Where the login's packets end. */
    login: number;
  }

  const answerTo = (live: StatementServer, said: Buffer): Buffer => {
    const answers: Buffer[] = [];
    for (let rest = said; rest.length > 0;) {
      const length = live.nextLength(rest);
      answers.push(live.answer(rest.subarray(0, length)));
      rest = rest.subarray(length);
    }
    return Buffer.concat(answers);
  };

  const talk = (name: "mysql" | "postgres", dialect: Dialect, todo: readonly Step[]): Talk => {
    const live = dialect.newServer();
    const flow = new TcpScript({ address: "10.8.0.1", port: ++port }, server).handshake();
    if (live.greeting !== undefined) flow.say(false, live.greeting).acknowledge(true);
    const login = conversations[name]!([]).turns[0]!.asks;
    flow.say(true, login).say(false, answerTo(live, login)).acknowledge(true);
    const { length } = flow.frames;
    const prepared: Buffer[] = [];
    for (const [done, step] of todo.entries()) {
      const says = dialect.says(step, done, prepared);
      if (says === undefined) continue;
      flow.say(true, says);
      const answer = answerTo(live, says);
      if (answer.length === 0) continue;
      flow.say(false, answer).acknowledge(true);
      if (step[0] === "prepare") prepared.push(answer);
    }
    flow.say(true, dialect.last).say(false, answerTo(live, dialect.last)).acknowledge(true);
    return { live, frames: flow.close().frames, login: length };
  };

  const replay = async (live: StatementServer, frames: Buffer[]): Promise<GatewayStats> => {
    const connections = servers.size;
    await harness.send(frames);
    harness.gateway.endFlows();
    const settled = (): boolean => {
      const { replayed, answered, failed } = harness.gateway.snapshot().requests;
      return answered + Object.values(failed).reduce((a, b) => a + b, 0) === replayed;
    };
    await until("all is answered", settled);
    for (const its of [...servers.values()].slice(connections)) {
      for (const [mark, statement] of its.runs) assert.equal(statement, live.runs.get(mark), `request ${mark}`);
    }
    return harness.gateway.snapshot();
  };

  for (const [name, dialect] of [
    ["mysql", mysql],
    ["postgres", postgres],
  ] as const) {
    it(`${name}: runs all of them where nothing is lost, and never another one where something is`, async () => {
      await start(dialect);
      await fc.assert(
        fc.asyncProperty(steps, fc.constantFrom(0, 0.1, 0.3), fc.integer(), async (todo, loss, seed) => {
          const random = randomFrom(seed);
          const { live, frames, login } = talk(name, dialect, todo);
          const kept = frames.filter((_, index) => index < login || random() >= loss);
          const before = structuredClone(harness.gateway.snapshot());
          const { requests, compare } = await replay(live, kept);
          assert.equal(compare.different, before.compare.different);
          if (loss === 0) assert.deepEqual(requests.unusable, before.requests.unusable);
        }),
        { numRuns: 25 },
      );
    });
  }
});
