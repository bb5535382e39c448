import { createSocket, type Socket as UdpSocket } from "node:dgram";
import { createServer, type Server } from "node:net";

import { fuzzAnswers, fuzzPorts, fuzzServers, type FuzzProtocol } from "./fuzzFlows";
import { Http2Recorder } from "./http2Sessions";

/** What one connection to a shadow server brought. */
export interface Arrived {
  protocol: FuzzProtocol;
  bytes: Buffer;
}

/** A server of one protocol, but HTTP/2 and datagrams, that answers every question alike. */
async function serve(protocol: keyof typeof fuzzAnswers, arrived: Arrived[]): Promise<Server> {
  const { greeting, answer } = fuzzAnswers[protocol];
  const server = createServer((socket) => {
    const connection: Arrived = { protocol, bytes: Buffer.alloc(0) };
    arrived.push(connection);
    if (greeting !== undefined) socket.write(greeting);
    socket.on("error", () => undefined);
    socket.on("data", (fresh: Buffer) => {
      connection.bytes = Buffer.concat([connection.bytes, fresh]);
      if (protocol !== "http1") socket.write(answer);
      else
        for (let left = fresh.toString("latin1").split(" HTTP/1.1\r\n").length; left > 1; left--) socket.write(answer);
    });
  });
  await new Promise<void>((done) => server.listen(0, "127.0.0.1", done));
  return server;
}

/** The shadow's servers of all protocols, with one that is beside them for flows that nobody touches. */
export class FuzzShadow {
  private readonly arrived: Arrived[] = [];
  private readonly untouched: Arrived[] = [];
  private readonly servers: Server[] = [];
  private readonly datagrams: UdpSocket = createSocket("udp4");
  private http2: Http2Recorder | undefined;
  /** Live addresses to the shadow's, as a gateway is told. */
  readonly to: Record<string, string> = {};

  static readonly untouchedServer = { address: "192.168.77.7", port: 8_443 };

  async start(): Promise<void> {
    for (const name of Object.keys(fuzzAnswers) as (keyof typeof fuzzAnswers)[]) {
      this.add(name, await this.listen(name, this.arrived));
    }
    this.http2 = await Http2Recorder.start((stream) => {
      if (stream.destroyed) return;
      stream.respond({ ":status": 200 });
      stream.end("ok");
    });
    this.add("http2", this.http2.port);
    this.datagrams.on("message", (bytes, from) => {
      this.arrived.push({ protocol: "udp", bytes });
      this.datagrams.send("ok", from.port, from.address);
    });
    await new Promise<void>((done) => this.datagrams.bind(0, "127.0.0.1", done));
    this.add("udp", this.datagrams.address().port);
    const { address, port } = FuzzShadow.untouchedServer;
    this.to[`${address}:${port}`] = `127.0.0.1:${await this.listen("http1", this.untouched)}`;
  }

  /** What has come since the last time. */
  take(): { arrived: Arrived[]; untouched: Buffer; asked: string[] } {
    const { http2 } = this;
    http2!.headers.length = 0;
    http2!.sessions.splice(0, http2!.sessions.length, ...http2!.sessions.filter(({ destroyed }) => !destroyed));
    return {
      arrived: this.arrived.splice(0),
      untouched: Buffer.concat(this.untouched.splice(0).map(({ bytes }) => bytes)),
      asked: http2!.asked.splice(0),
    };
  }

  async stop(): Promise<void> {
    this.datagrams.close();
    await this.http2?.stop();
    for (const server of this.servers) server.close();
  }

  private async listen(name: keyof typeof fuzzAnswers, arrived: Arrived[]): Promise<number> {
    const server = await serve(name, arrived);
    this.servers.push(server);
    return (server.address() as { port: number }).port;
  }

  private add(protocol: FuzzProtocol, port: number): void {
    const [four, six] = fuzzServers;
    this.to[`${four}:${fuzzPorts[protocol]}`] = `127.0.0.1:${port}`;
    this.to[`[${six}]:${fuzzPorts[protocol]}`] = `127.0.0.1:${port}`;
  }
}
