import { type ChildProcess, spawn } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";

import { repository } from "./engine";

const startMilliseconds = 120_000;

/** A running moto: a stand-in for AWS's API that keeps what it is told in memory. */
export interface Moto {
  /** Address of the server, for `endpoint` of SDK clients and `--endpoint-url`. Empty until the suite's hooks have run. */
  url: string;
  /** Region that the tests use. */
  region: string;
  /** Credentials that moto takes, as it takes any. */
  credentials: { accessKeyId: string; secretAccessKey: string };
  /** The same for a child process. */
  environment: Record<string, string>;
  /** Forgets everything that was made. */
  reset(): Promise<void>;
}

/** Starts moto before the tests of the enclosing suite and stops it after them; where set-up has not brought it, the tests are skipped, and fail under CI. */
export function useMoto(): Moto {
  const credentials = { accessKeyId: "AKIATESTONLYTESTONLY", secretAccessKey: "test-only" };
  const moto: Moto = {
    url: "",
    region: "eu-central-1",
    credentials,
    environment: {
      AWS_ACCESS_KEY_ID: credentials.accessKeyId,
      AWS_SECRET_ACCESS_KEY: credentials.secretAccessKey,
      AWS_REGION: "eu-central-1",
      AWS_EC2_METADATA_DISABLED: "true",
    },
    async reset() {
      const response = await fetch(`${moto.url}/moto-api/reset`, { method: "POST" });
      if (!response.ok) throw new Error(`moto was not reset: ${response.status}`);
    },
  };
  let server: ChildProcess | undefined;
  before(async function () {
    this.timeout(startMilliseconds);
    const python = join(motoFolder(), "bin", "python");
    if (!existsSync(python)) {
      if (process.env.CI) throw new Error("moto is not installed; type: node tools/setup.mjs --tests");
      this.skip();
    }
    server = spawn(python, ["-m", "moto.server", "-H", "127.0.0.1", "-p", "0"], {
      stdio: ["ignore", "pipe", "pipe"],
      env: { PATH: process.env.PATH, PYTHONUNBUFFERED: "1" },
    });
    moto.url = await addressOf(server);
  });
  after(async () => {
    if (server === undefined || server.exitCode !== null) return;
    const ended = new Promise((resolve) => server!.once("exit", resolve));
    server.kill("SIGKILL");
    await ended;
  });
  return moto;
}

function motoFolder(): string {
  const requirements = readFileSync(join(repository, "tools", "moto", "requirements.txt"));
  const hash = createHash("sha256").update(requirements).digest("hex").slice(0, 12);
  const cache = process.env.XDG_CACHE_HOME || join(homedir(), ".cache");
  return join(cache, "shadownet", `moto-${hash}`);
}

/** The address that the server says it listens on; it picks a free port by itself. */
function addressOf(server: ChildProcess): Promise<string> {
  return new Promise((resolve, reject) => {
    let said = "";
    const hear = (chunk: Buffer): void => {
      if (said.length < 20_000) said += chunk.toString();
      const found = /Running on (http:\/\/127\.0\.0\.1:\d+)/.exec(said);
      if (found !== null) resolve(found[1]!);
    };
    server.stdout!.on("data", hear);
    server.stderr!.on("data", hear);
    server.once("error", reject);
    server.once("exit", (code) => reject(new Error(`moto ended with exit code ${code}: ${said}`)));
  });
}
