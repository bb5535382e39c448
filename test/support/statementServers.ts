import { mysqlPacket, postgresMessage } from "./protocols";

/** A server on one connection: what it answers to a client's next whole message, and what it has run. */
export interface StatementServer {
  /** What each request has run, by the request's own mark. */
  readonly runs: Map<number, string>;
  /** What it says before its client does. */
  readonly greeting: Buffer | undefined;
  /** How many bytes of the beginning are the next message; 0 while it is not whole. */
  nextLength(bytes: Buffer): number;
  answer(message: Buffer): Buffer;
}

const text = (value: string): Buffer => Buffer.from(value, "latin1");

const mysqlOk = mysqlPacket(1, Buffer.alloc(7));
const mysqlUnknown = mysqlPacket(1, text("\xff\xdb\x04#HY000Unknown prepared statement handler"));

/** MySQL as far as it numbers statements. */
export class MysqlStatements implements StatementServer {
  readonly runs = new Map<number, string>();
  readonly greeting = mysqlPacket(0, Buffer.concat([text("\x0a8.0.36\0"), Buffer.alloc(60, 1)]));
  private readonly statements = new Map<number, string>();
  private count = 0;
  private loggedIn = false;

  nextLength(bytes: Buffer): number {
    const length = bytes.length < 4 ? Infinity : 4 + bytes.readUIntLE(0, 3);
    return length <= bytes.length ? length : 0;
  }

  answer(message: Buffer): Buffer {
    if (!this.loggedIn) {
      this.loggedIn = true;
      return mysqlOk;
    }
    const body = message.subarray(4);
    if (body[0] === 0x16) return this.prepare(body.toString("latin1", 1));
    if (body[0] === 0x19) return this.close(body.readUInt32LE(1));
    return body[0] === 0x17 ? this.run(body.readUInt32LE(1), body.readUInt32LE(10)) : mysqlOk;
  }

  private prepare(statement: string): Buffer {
    this.count++;
    if (statement.includes("nonsense")) return mysqlPacket(1, text("\xff\x28\x04#42000You have an error"));
    this.statements.set(this.count, statement);
    const body = Buffer.alloc(12);
    body.writeUInt32LE(this.count, 1);
    return mysqlPacket(1, body);
  }

  private close(number: number): Buffer {
    this.statements.delete(number);
    return Buffer.alloc(0);
  }

  private run(number: number, mark: number): Buffer {
    const statement = this.statements.get(number);
    this.runs.set(mark, statement ?? "unknown");
    return statement === undefined ? mysqlUnknown : mysqlOk;
  }
}

/** A request to run a statement of MySQL, with a mark of its own among the parameters. */
export function mysqlExecute(number: number, mark: number): Buffer {
  const body = Buffer.alloc(14);
  body[0] = 0x17;
  body.writeUInt32LE(number, 1);
  body.writeUInt32LE(1, 6);
  body.writeUInt32LE(mark, 10);
  return mysqlPacket(0, body);
}

export function mysqlPrepare(statement: string): Buffer {
  return mysqlPacket(0, text(`\x16${statement}`));
}

export function mysqlClose(number: number): Buffer {
  const body = Buffer.alloc(5);
  body[0] = 0x19;
  body.writeUInt32LE(number, 1);
  return mysqlPacket(0, body);
}

const postgresError = (code: string): Buffer => postgresMessage("E", text(`SERROR\0VERROR\0C${code}\0Mno\0\0`));
const ready = postgresMessage("Z", text("I"));

/** PostgreSQL as far as it names statements and portals. */
export class PostgresStatements implements StatementServer {
  readonly runs = new Map<number, string>();
  readonly greeting = undefined;
  private readonly statements = new Map<string, string>();
  private portal: { statement: string; mark: number } | undefined;
  private failed = false;

  nextLength(bytes: Buffer): number {
    const header = bytes[0] === 0 ? 0 : 1;
    const length = bytes.length < header + 4 ? Infinity : header + bytes.readUInt32BE(header);
    return length <= bytes.length ? length : 0;
  }

  answer(message: Buffer): Buffer {
    const type = String.fromCharCode(message[0]!);
    if (type === "S" || type === "\0") {
      this.failed = false;
      this.portal = undefined;
      return ready;
    }
    if (this.failed) return Buffer.alloc(0);
    const [first = "", second = ""] = message.toString("latin1", 5).split("\0");
    if (type === "P") return this.parse(first, second);
    if (type === "B") return this.bind(second, message.readUInt32BE(message.length - 4));
    if (type === "E") return this.execute();
    return Buffer.alloc(0);
  }

  private parse(name: string, statement: string): Buffer {
    if (name !== "" && this.statements.has(name)) return this.fail("42P05");
    this.statements.set(name, statement);
    return postgresMessage("1", Buffer.alloc(0));
  }

  private bind(name: string, mark: number): Buffer {
    const statement = this.statements.get(name);
    if (statement === undefined) return this.fail("26000");
    this.portal = { statement, mark };
    return postgresMessage("2", Buffer.alloc(0));
  }

  private execute(): Buffer {
    if (this.portal === undefined) return this.fail("34000");
    this.runs.set(this.portal.mark, this.portal.statement);
    return postgresMessage("C", text("SELECT 1\0"));
  }

  private fail(code: string): Buffer {
    this.failed = true;
    return postgresError(code);
  }
}

const sync = postgresMessage("S", Buffer.alloc(0));

export function postgresPrepare(name: string, statement: string): Buffer {
  return Buffer.concat([postgresMessage("P", text(`${name}\0${statement}\0\0\0`)), sync]);
}

/** A request to run a statement of PostgreSQL, with a mark of its own among the parameters. */
export function postgresExecute(name: string, mark: number): Buffer {
  const parameters = Buffer.alloc(12);
  parameters.writeUInt16BE(1, 2);
  parameters.writeUInt32BE(4, 4);
  parameters.writeUInt32BE(mark, 8);
  const bind = postgresMessage("B", Buffer.concat([text(`\0${name}\0`), parameters]));
  return Buffer.concat([bind, postgresMessage("E", text("\0\0\0\0\0")), sync]);
}
