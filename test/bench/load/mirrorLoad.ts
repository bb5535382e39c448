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
  /** Where the intake is. Defaults to this machine's own 127.0.0.1. */
  address?: string;
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

/** Sends mirrored traffic to a VXLAN intake; `argv` is the compiled source, or a command that runs it elsewhere. */
export function offer(argv: readonly string[], load: Load): Promise<Offered> {
  return runSource([...argv, ...valuesOf(load)]);
}

/** Writes the packets that {@link offer} would send to a capture file, from the address before the intake's. */
export function writeCapture(program: string, load: Load, file: string): Promise<Offered> {
  return runSource([program, ...valuesOf(load), file]);
}

function valuesOf(load: Load): string[] {
  const { address = "127.0.0.1", port, subnet, flows, rate, seconds, perFlow = 0, bodyBytes = shortBodyBytes } = load;
  return [address, port, subnet, flows, rate, seconds, perFlow, bodyBytes].map(String);
}

async function runSource([program = "", ...values]: readonly string[]): Promise<Offered> {
  const child = spawn(program, values, { stdio: ["ignore", "pipe", "inherit"], signal: interruption });
  let text = "";
  child.stdout.on("data", (chunk: Buffer) => (text += chunk.toString()));
  const code = await new Promise<number | null>((resolve, reject) =>
    child.once("error", reject).once("close", resolve),
  );
  if (code !== 0) throw new Error(`the packet source ended with exit code ${code}`);
  return JSON.parse(text) as Offered;
}
