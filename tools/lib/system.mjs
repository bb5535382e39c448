// Programs of the operating system that the lab and the tests use.
import { existsSync, rmSync, writeFileSync } from "node:fs";

import { systemFolders, which } from "./paths.mjs";
import { capture } from "./processes.mjs";

/** Debian package → the program by which its presence is known; what the lab needs to run. */
export const runPrograms = {
  nftables: "nft",
  iproute2: "ip",
  ethtool: "ethtool",
  procps: "ps",
  "iputils-ping": "ping",
  "nginx-light": "nginx",
  "redis-server": "redis-server",
  e2fsprogs: "mkfs.ext4",
};

/** The same for what only the tests and the benchmarks use. */
export const testPrograms = {
  shellcheck: "shellcheck",
  at: "atd",
  systemd: "systemd-run",
  tcpdump: "tcpdump",
  wrk: "wrk",
  "nghttp2-client": "h2load",
  tshark: "tshark",
  openssl: "openssl",
  postgresql: "pgbench",
  chromium: "chromium",
  prometheus: "prometheus",
  "qemu-user": "qemu-aarch64",
  // No program: what Node for arm64 needs under the emulator, seen from /usr/bin.
  "libstdc++6-arm64-cross": "../aarch64-linux-gnu/lib/libstdc++.so.6",
  "qemu-system-x86": "qemu-system-x86_64",
  mmdebstrap: "mmdebstrap",
};

/** The same for what the benchmarks compare with, and for the compiler and the player of their packets. */
export const benchPrograms = { mininet: "mn", "build-essential": "cc", tcpreplay: "tcpreplay" };

/** Start of a package's name → the service that it would leave running. */
const services = {
  nginx: "nginx",
  "redis-server": "redis-server",
  prometheus: "prometheus",
  at: "atd",
  postgresql: "postgresql",
};
const policyFile = "/usr/sbin/policy-rc.d";

/** The packages whose program is not there. */
export function missingPackages(programs, find = (program) => which(program, process.env, systemFolders)) {
  return Object.entries(programs).flatMap(([name, program]) => (find(program) === undefined ? [name] : []));
}

/** The command that installs packages, as the user would type it. */
export function installCommand(packages, prefix = "sudo ") {
  return `${prefix}apt-get update && ${prefix}apt-get install -y --no-install-recommends ${packages.join(" ")}`;
}

/** What hinders an automatic installation here, or undefined when nothing does. */
export function installHindrance({
  platform = process.platform,
  user = process.getuid?.(),
  apt = which("apt-get"),
} = {}) {
  if (platform !== "linux") return "the lab runs on Linux only; the cloud back ends do not need these programs";
  if (!apt) return "there is no apt-get here; install the same programs with this system's package manager";
  if (user !== 0) return "root is needed to install them; type the command, then run this again";
  return undefined;
}

async function apt(args) {
  const env = { ...process.env, DEBIAN_FRONTEND: "noninteractive", NEEDRESTART_SUSPEND: "1" };
  const { code, output } = await capture("apt-get", args, { env });
  if (code !== 0)
    throw new Error(`apt-get ${args.join(" ")}: exit code ${code}\n${output.trim().split("\n").slice(-8).join("\n")}`);
}

/** Keeps freshly installed servers from starting: the lab starts its own, with its own configuration. */
async function withoutServices(install, packages) {
  const isOurs = !existsSync(policyFile);
  if (isOurs) writeFileSync(policyFile, "#!/bin/sh\nexit 101\n", { mode: 0o755 });
  try {
    await install();
  } finally {
    if (isOurs) rmSync(policyFile, { force: true });
  }
  const installed = Object.entries(services)
    .filter(([start]) => packages.some((name) => name.startsWith(start)))
    .map(([, service]) => service);
  if (existsSync("/run/systemd/system") && installed.length > 0) {
    await capture("systemctl", ["disable", ...installed]);
  }
}

/** Installs packages with apt-get; needs root. */
export async function installSystemPackages(packages) {
  await apt(["update", "-qq"]);
  await withoutServices(() => apt(["install", "-y", "-qq", "--no-install-recommends", ...packages]), packages);
}

/** The set-up step of the system's programs; with `required: false` a failure is reported and set-up goes on. */
export function systemStep(title, programs, required) {
  return {
    title,
    required,
    plan: () => {
      const missing = missingPackages(programs);
      return missing.length === 0 ? undefined : installCommand(missing, "");
    },
    run: async () => {
      const missing = missingPackages(programs);
      const hindrance = installHindrance();
      if (hindrance !== undefined) {
        const message = `missing: ${missing.join(", ")}\n${hindrance}\n  ${installCommand(missing)}`;
        throw Object.assign(new Error(message), { exitCode: 3 });
      }
      await installSystemPackages(missing);
    },
  };
}
