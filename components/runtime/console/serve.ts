import type { AddressInfo } from "node:net";

import { type ListenAddress, hostAndPort, readOrMakeToken } from "./access";
import { Controller, type ControllerOptions } from "./controller";
import { announceController, refuseSecondController } from "./controllerFile";
import { buildServer } from "./server";

/** What {@link serve} needs. */
export interface ServeOptions extends ControllerOptions {
  address: ListenAddress;
  /** File that holds the token; made when there is none. */
  tokenFile: string;
  /** More names with port under which a proxy reaches it. Defaults to none. */
  allowedHosts?: string[];
  version: string;
}

/** A controller that listens. */
export interface Serving {
  controller: Controller;
  /** Address and port. */
  address: string;
  /** Ends it: every fault undone, every run ended, nothing listens any more. */
  close(reason: string): Promise<void>;
}

/** Starts the controller and its HTTP API; throws when one runs already or the address is taken. */
export async function serve(options: ServeOptions): Promise<Serving> {
  const { stateFolder, runsFolder, tokenFile, version, allowedHosts = [] } = options;
  await refuseSecondController(stateFolder);
  const token = await readOrMakeToken(tokenFile);
  const hosts = new Set(allowedHosts.map((host) => host.toLowerCase()));
  const controller = new Controller(options);
  const server = await buildServer({ controller, token, version, hosts: () => hosts });
  await server.listen({ host: options.address.host, port: options.address.port });
  const { port } = server.server.address() as AddressInfo;
  const address = hostAndPort({ host: options.address.host, port });
  for (const host of [address, `localhost:${port}`, `127.0.0.1:${port}`, `[::1]:${port}`]) hosts.add(host);
  const withdraw = await announceController(stateFolder, { address, tokenFile, runsFolder });
  controller.start();
  return {
    controller,
    address,
    close: async (reason) => {
      await withdraw();
      await controller.close(reason);
      await server.close();
    },
  };
}
