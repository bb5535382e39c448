import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { mkdir, open, readFile, readlink, rm, stat } from "node:fs/promises";
import { request } from "node:http";
import { dirname, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { writeAtomically } from "../../internal/files";
import { ShadownetError } from "../../internal/problems";
import type { GatewayConfig } from "../../runtime/gateway/config";
import { gatewayNodeOptions } from "../../runtime/gateway/nodeOptions";
import { machineCgroups, applyCgroups } from "./cgroups";
import { applianceNamespace, networkFolder } from "./names";
import { killNow, namespacePath } from "./namespaces";

/** Files of a network's gateway process. */
export interface GatewayFiles {
  folder: string;
  config: string;
  stats: string;
  samples: string;
  control: string;
  pid: string;
  log: string;
}

/** Where a network's gateway has its files. */
export function gatewayFiles(network: string): GatewayFiles {
  const folder = join(networkFolder(network), "gateway");
  const file = (name: string): string => join(folder, name);
  return {
    folder,
    config: file("config.json"),
    stats: file("stats.json"),
    samples: file("samples.ndjson"),
    control: file("gateway.sock"),
    pid: file("gateway.pid"),
    log: file("gateway.log"),
  };
}

const startMilliseconds = 15_000;
const stopMilliseconds = 3_000;

/** Writes the configuration and starts the process in the gateway's namespace; returns when it answers. */
export async function startGatewayProcess(network: string, config: GatewayConfig): Promise<void> {
  const files = gatewayFiles(network);
  await mkdir(files.folder, { recursive: true });
  await writeConfig(network, config);
  await rm(files.control, { force: true });
  const cgroups = machineCgroups(network, "@gateway");
  await applyCgroups(cgroups);
  const program = [process.execPath, ...gatewayNodeOptions, gatewayProgram(), files.config];
  const enterGroups = Object.values(cgroups).map((folder) => `echo $$ > '${folder as string}/cgroup.procs'`);
  const enter = `exec nsenter --net='${namespacePath(applianceNamespace(network, "gateway"))}' "$@"`;
  const log = await open(files.log, "a");
  const child = spawn("sh", ["-c", [...enterGroups, enter].join("\n"), "gateway", ...program], {
    cwd: "/",
    detached: true,
    stdio: ["ignore", log.fd, log.fd],
  });
  child.on("error", () => undefined);
  child.unref();
  await log.close();
  if (child.pid === undefined) throw new ShadownetError("gateway-died", "the gateway's process could not be started");
  await writeAtomically(files.pid, `${child.pid}\n`);
  await waitUntilItAnswers(network);
}

/** Rewrites the configuration and lets the running process read it again; its connections stay. */
export async function reloadGatewayProcess(network: string, pid: number, config: GatewayConfig): Promise<void> {
  await writeConfig(network, config);
  process.kill(pid, "SIGHUP");
}

/** Id of the gateway's process; undefined when it does not run. */
export async function gatewayPid(network: string): Promise<number | undefined> {
  const text = await readFile(gatewayFiles(network).pid, "utf8").catch(() => "");
  const pid = Number(text.trim());
  if (!Number.isInteger(pid) || pid <= 0) return undefined;
  const namespace = await stat(namespacePath(applianceNamespace(network, "gateway"))).catch(() => undefined);
  const own = await readlink(`/proc/${pid}/ns/net`).catch(() => "");
  return namespace !== undefined && own === `net:[${namespace.ino}]` ? pid : undefined;
}

/** Ends the process, by force if it does not end by itself; does nothing when it does not run. */
export async function stopGatewayProcess(network: string): Promise<void> {
  const pid = await gatewayPid(network);
  if (pid === undefined) return;
  try {
    process.kill(pid, "SIGTERM");
  } catch {
    return;
  }
  const deadline = Date.now() + stopMilliseconds;
  while ((await gatewayPid(network)) !== undefined) {
    if (Date.now() > deadline) killNow(pid);
    await delay(20);
  }
}

/** What the gateway answers on its control socket; throws when it does not answer. */
export function askGateway(network: string, path: string): Promise<unknown> {
  return new Promise((resolve, reject) => {
    const call = request({ socketPath: gatewayFiles(network).control, path, timeout: 2000 }, (response) => {
      let text = "";
      response.setEncoding("utf8").on("data", (part: string) => (text += part));
      response.on("end", () => {
        try {
          resolve(JSON.parse(text));
        } catch (error) {
          reject(error instanceof Error ? error : new Error(String(error)));
        }
      });
    });
    call.on("timeout", () => call.destroy(new Error("no answer within 2 s")));
    call.on("error", reject);
    call.end();
  });
}

async function writeConfig(network: string, config: GatewayConfig): Promise<void> {
  await writeAtomically(gatewayFiles(network).config, `${JSON.stringify(config, null, 2)}\n`, 0o600);
}

/** The compiled program, also when this runs from source. */
function gatewayProgram(): string {
  let root = __dirname;
  while (!existsSync(join(root, "package.json"))) root = dirname(root);
  const program = join(root, "dist", "components", "runtime", "gateway", "main.js");
  if (existsSync(program)) return program;
  throw new ShadownetError("not-built", `${program} is missing; build the package with \`npm run build\``);
}

async function waitUntilItAnswers(network: string): Promise<void> {
  const deadline = Date.now() + startMilliseconds;
  let entered = false;
  for (;;) {
    const answered = await askGateway(network, "/stats").then(
      () => true,
      () => false,
    );
    if (answered) return;
    const alive = (await gatewayPid(network)) !== undefined;
    // Before it has entered its namespace it does not count as alive.
    if ((entered && !alive) || Date.now() > deadline) throw await startError(network, alive);
    entered ||= alive;
    await delay(20);
  }
}

async function startError(network: string, alive: boolean): Promise<ShadownetError> {
  const { log } = gatewayFiles(network);
  const text = await readFile(log, "utf8").catch(() => "");
  const tail = text.trim().split("\n").slice(-5).join("\n");
  const what = alive ? `does not answer within ${startMilliseconds / 1000} s` : "died at its start";
  return new ShadownetError("gateway-died", `the gateway of "${network}" ${what}; the end of ${log}:\n${tail}`);
}
