import { shortBodyBytes } from "./mirrorLoad";

/** Numbers from an environment variable, separated by commas. */
export const numbers = (name: string, otherwise: string): number[] =>
  (process.env[name] ?? otherwise).split(",").map(Number);

/** How a bench of deliveries is run, as its environment asks. */
export const sizes = {
  rates: numbers("RATES", "5000,10000,20000,30000"),
  seconds: numbers("SECONDS_EACH", "10")[0]!,
  flows: numbers("FLOWS", "200")[0]!,
  bodyBytes: numbers("BODY_BYTES", String(shortBodyBytes))[0]!,
};

/** First of four ports that other benches at the same time hardly use. */
export const basePort = 10_000 + (process.pid % 5_000) * 4;
