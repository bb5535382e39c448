import { accessSync, constants, statSync } from "node:fs";
import { delimiter, join } from "node:path";

import { ExitCode, type Problem, ShadownetError } from "./problems";

/** The programs that the lab calls, each with the Debian package that brings it. */
const tools = {
  ip: "iproute2",
  nft: "nftables",
  nsenter: "util-linux",
  sysctl: "procps",
  ethtool: "ethtool",
  ping: "iputils-ping",
};

/** What a host is judged by; everything defaults to this process's own. */
export interface LabHost {
  platform?: NodeJS.Platform;
  /** User id; undefined where the system has none. */
  user?: number;
  path?: string;
}

/** Everything that keeps the lab from running on a host; empty where it can. */
export function labHostProblems(host: LabHost = {}): Problem[] {
  const { platform = process.platform, user = process.getuid?.(), path = process.env.PATH ?? "" } = host;
  if (platform !== "linux") {
    const reason = `the lab needs Linux, this is ${platform}; the cloud back ends run anywhere`;
    return [{ path: "platform", reason }];
  }
  const problems: Problem[] = [];
  if (user !== 0) {
    const cure = "use `sudo -E`, or run it in a virtual machine";
    problems.push({ path: "user", reason: `the lab makes network namespaces, which needs root; ${cure}` });
  }
  const missing = Object.entries(tools).filter(([tool]) => !isOnPath(tool, path));
  if (missing.length > 0) {
    const names = missing.map(([tool]) => tool).join(", ");
    const cure = `install with \`apt-get install ${[...new Set(missing.map(([, name]) => name))].join(" ")}\``;
    problems.push({ path: "programs", reason: `${names} not found on PATH; ${cure}` });
  }
  return problems;
}

/** Throws when the lab cannot run on this host, with everything that is in the way. */
export function requireLabHost(host: LabHost = {}): void {
  const problems = labHostProblems(host);
  if (problems.length === 0) return;
  const codes: Record<string, string> = { platform: "not-linux", user: "not-root", programs: "missing-tool" };
  const message = problems.map(({ reason }) => reason).join("; and ");
  throw new ShadownetError(codes[problems[0]!.path]!, message, ExitCode.NotPossibleHere);
}

function isOnPath(tool: string, path: string): boolean {
  return path.split(delimiter).some((folder) => {
    const file = join(folder, tool);
    try {
      accessSync(file, constants.X_OK);
      return statSync(file).isFile();
    } catch {
      return false;
    }
  });
}
