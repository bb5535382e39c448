import { spawn } from "node:child_process";

import { interruption } from "./interruption";

/** What one run of the packet source did. */
export interface Offered {
  /** Exchanges. */
  sent: number;
  packets: number;
  seconds: number;
}

/** How the packet source sends. */
export interface Load {
  port: number;
  /** Second byte of the clients' addresses: another one for another set of connections. */
  subnet: number;
  flows: number;
  /** Exchanges a second, at least three packets each. */
  rate: number;
  seconds: number;
  /** Exchanges after which a connection is closed and another opened; 0 = never. */
  perFlow?: number;
  /** Length of the content of each response in bytes. */
  bodyBytes?: number;
}

/** What a response carries when nothing else is asked for. */
export const shortBodyBytes = 64;

/** Sends mirrored traffic to a VXLAN intake on this machine. */
export async function offer(program: string, load: Load): Promise<Offered> {
  const { port, subnet, flows, rate, seconds, perFlow = 0, bodyBytes = shortBodyBytes } = load;
  const values = ["127.0.0.1", port, subnet, flows, rate, seconds, perFlow, bodyBytes].map(String);
  const child = spawn(program, values, { stdio: ["ignore", "pipe", "inherit"], signal: interruption });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once("error", reject).once("close", resolve),
  );
  if (code !== 0) throw new Error(`the packet source ended with exit code ${code}`);
  return JSON.parse(text) as Offered;
}
