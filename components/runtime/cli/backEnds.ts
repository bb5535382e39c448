import { requireLabHost } from "../../internal/labHost";
import { ExitCode, ShadownetError } from "../../internal/problems";
import type { Driver } from "../runner/driver";

/** Refuses where the lab cannot run, and says what can. */
export function requireLab(): void {
  requireLabHost();
}

/** Name of the shadow meant: the given one, or the only one there is. */
export async function chooseShadow(given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const { listNetworks } = await import("../../lab/kernel/network.js");
  const shadows = (await listNetworks()).filter(({ role }) => role === "shadow").map(({ network }) => network);
  if (shadows.length === 1) return shadows[0]!;
  const message =
    shadows.length === 0
      ? "there is no shadow here; make one with `shadownet up`"
      : `there are several shadows, say which one with --network: ${shadows.join(", ")}`;
  throw new ShadownetError("which-shadow", message, ExitCode.BadInput);
}

/** Opens the driver of a shadow; the one place where the command line chooses a back end. */
export async function openDriver(network: string): Promise<Driver> {
  requireLab();
  const { openLabDriver } = await import("../../lab/driver.js");
  return openLabDriver(network);
}
