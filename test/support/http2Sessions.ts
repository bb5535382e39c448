import {
  connect,
  constants,
  createServer,
  type Http2Server,
  type ServerHttp2Stream,
  type ServerHttp2Session,
  type Settings,
} from "node:http2";

import { recordSession, type Spoken } from "./recordedSession";

/** One request of a recorded session. */
export interface Asked {
  method: string;
  path: string;
  body: Buffer;
  /** Further header fields. */
  headers?: Record<string, string>;
  /** Gives the request up once its head is sent. */
  cancel?: boolean;
}

/** A server that keeps what it was asked, whole requests alone. */
export class Http2Recorder {
  /** `METHOD PATH BODY-LENGTH BODY-SUM`, in the order in which requests were complete. */
  readonly asked: string[] = [];
  readonly headers: Record<string, unknown>[] = [];
  readonly sessions: ServerHttp2Session[] = [];
  /** Requests of which the server saw a beginning. */
  begun = 0;
  /** Requests of which the server saw a beginning and neither an end nor a reset. */
  halves = 0;
  /** Requests that the client reset because it could not go on. */
  resets = 0;

  private constructor(
    readonly server: Http2Server,
    readonly port: number,
  ) {}

  static async start(
    answer: (stream: ServerHttp2Stream, path: string, body: Buffer) => void,
    settings: Settings = {},
    port = 0,
  ): Promise<Http2Recorder> {
    const server = createServer({ settings });
    await new Promise<void>((done) => server.listen(port, "127.0.0.1", done));
    const recorder = new Http2Recorder(server, (server.address() as { port: number }).port);
    server.on("session", (session) => {
      recorder.sessions.push(session);
      session.on("error", () => undefined);
    });
    server.on("stream", (stream, headers) => {
      const parts: Buffer[] = [];
      let ended = false;
      recorder.begun++;
      stream.on("error", () => undefined);
      stream.on("data", (part: Buffer) => parts.push(part));
      stream.on("close", () => {
        if (ended) return;
        if (stream.rstCode === constants.NGHTTP2_INTERNAL_ERROR) recorder.resets++;
        else recorder.halves++;
      });
      stream.on("end", () => {
        if (stream.destroyed || stream.aborted) return;
        ended = true;
        const body = Buffer.concat(parts);
        recorder.headers.push(headers);
        recorder.asked.push(describeRequest(String(headers[":method"]), String(headers[":path"]), body));
        answer(stream, String(headers[":path"]), body);
      });
    });
    return recorder;
  }

  async stop(): Promise<void> {
    for (const session of this.sessions) session.destroy();
    await new Promise((done) => this.server.close(done));
  }
}

/** A request as {@link Http2Recorder.asked} names it. */
export function describeRequest(method: string, path: string, body: Buffer): string {
  return `${method} ${path} ${body.length} ${body.reduce((sum, byte) => (sum * 31 + byte) >>> 0, 7)}`;
}

/** What a client and a server say when these requests are made on one connection, all at once or one after another. */
export function recordHttp2(port: number, requests: readonly Asked[], together: boolean): Promise<Spoken[]> {
  return recordSession(port, async (relayed) => {
    const session = connect(`http://127.0.0.1:${relayed}`);
    const one = ({ method, path, body, headers, cancel }: Asked): Promise<void> =>
      new Promise((done) => {
        const stream = session.request(
          { ":method": method, ":path": path, ...headers },
          { endStream: body.length === 0 && cancel !== true },
        );
        stream.on("error", () => undefined);
        stream.on("close", () => done());
        stream.resume();
        if (cancel === true) setTimeout(() => stream.destroy(), 20);
        else if (body.length > 0) stream.end(body);
      });
    if (together) await Promise.all(requests.map(one));
    else for (const request of requests) await one(request);
    await new Promise<void>((done) => session.close(done));
  });
}
