import { spawn } from "node:child_process";

import type { Candidate, Place } from "./delivery";
import { interruption, pause } from "./interruption";
import { stopChild } from "./nginxShadow";

/** Starts the compiled `gatewayFloor.c`, which looks at its sockets every `pauseMicroseconds`. */
export async function startFloor(program: string, place: Place, pauseMicroseconds: number): Promise<Candidate> {
  const values = [place.port, place.shadowPort, pauseMicroseconds].map(String);
  const child = spawn(program, values, { stdio: ["ignore", "pipe", "inherit"], signal: interruption });
  child.on("error", () => undefined);
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const closed = new Promise((resolve) => child.once("close", resolve));
  await pause(200);
  return {
    pid: child.pid!,
    settle: () => pause(500),
    stop: async () => {
      await stopChild(child);
      await closed;
      return JSON.parse(text) as Record<string, unknown>;
    },
  };
}
