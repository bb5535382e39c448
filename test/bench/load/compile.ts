import { execFileSync } from "node:child_process";
import { join } from "node:path";

/** Compiles one of the C programs beside this file into a folder; its path. Throws where there is no C compiler. */
export function compile(name: "mirrorLoad" | "gatewayFloor" | "roundTrips", folder: string): string {
  const program = join(folder, name);
  execFileSync("cc", ["-O2", "-o", program, join(__dirname, `${name}.c`)], { stdio: "inherit" });
  return program;
}
