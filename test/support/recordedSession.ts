import { connect, createServer, type Socket } from "node:net";

import { TcpScript, type Peer } from "./capture";

/** What one side said at one moment of a recorded connection. */
export interface Spoken {
  fromClient: boolean;
  bytes: Buffer;
}

/** Lets `drive` talk to a server on loopback through a relay, and returns what both said, in order, for the one connection. */
export async function recordSession(port: number, drive: (port: number) => Promise<void>): Promise<Spoken[]> {
  const spoken: Spoken[] = [];
  const sockets: Socket[] = [];
  const relay = createServer((client) => {
    const server = connect(port, "127.0.0.1");
    sockets.push(client, server);
    const pass = (from: Socket, to: Socket, fromClient: boolean): void => {
      from.on("data", (bytes: Buffer) => {
        spoken.push({ fromClient, bytes });
        to.write(bytes);
      });
      from.on("end", () => to.end());
      from.on("error", () => to.destroy());
    };
    pass(client, server, true);
    pass(server, client, false);
  });
  await new Promise<void>((done) => relay.listen(0, "127.0.0.1", done));
  try {
    await drive((relay.address() as { port: number }).port);
  } finally {
    for (const socket of sockets) socket.destroy();
    await new Promise((done) => relay.close(done));
  }
  return spoken;
}

/** The frames of a recorded connection as if it had been between two other addresses. */
export function sessionScript(
  spoken: readonly Spoken[],
  client: Peer,
  server: Peer,
  options?: ConstructorParameters<typeof TcpScript>[2],
): TcpScript {
  const script = new TcpScript(client, server, options).handshake();
  for (const { fromClient, bytes } of spoken) script.say(fromClient, bytes).acknowledge(!fromClient);
  return script;
}
