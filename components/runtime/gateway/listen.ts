import type { Server } from "node:http";
import type { ListenOptions } from "node:net";

import { ExitCode, ShadownetError } from "../../internal/problems";

/** Starts a server; throws a `ShadownetError` that begins with `failure` when it cannot listen. */
export function listen(server: Server, at: ListenOptions, failure: string): Promise<void> {
  return new Promise((resolve, reject) => {
    server.once("error", (error) => {
      reject(new ShadownetError("cannot-listen", `${failure}: ${error.message}`, ExitCode.NotPossibleHere));
    });
    server.listen(at, resolve);
  });
}
