// Building the engine from its published Go modules, where downloads are out of reach but a Go proxy is not.
import { spawn } from "node:child_process";
import { join } from "node:path";

import { which } from "./paths.mjs";
import { capture } from "./processes.mjs";
import { isAtLeast } from "./versions.mjs";

const oldestGo = "1.25";
const engineModule = "github.com/pulumi/pulumi/pkg/v3/cmd/pulumi";
const versionVariable = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version";
const progressMilliseconds = 15_000;
const limitMilliseconds = 45 * 60_000;
const shownLines = 12;

/** The Go tool, when it is new enough; throws with the reason otherwise. */
export async function findGo(environment = process.env) {
  const go = which("go", environment, ["/usr/local/go/bin"]);
  if (go === undefined) throw new Error("Go is not installed");
  const { output } = await capture(go, ["version"], { env: { ...environment, GOTOOLCHAIN: "local" } });
  if (!isAtLeast(output, oldestGo)) throw new Error(`${go} is ${output.trim()}; Go ${oldestGo} or newer is needed`);
  return go;
}

/** Builds `pulumi` of the pinned module into a folder. Reports the time that has passed every few seconds. */
export async function buildEngine({ version, folder, module, report, environment = process.env }) {
  const go = await findGo(environment);
  report(`building the Pulumi engine ${version} with Go; once per machine, typically 5 minutes on 2 cores`);
  const flags = `-w -s -X ${versionVariable}=v${version}`;
  const args = ["build", "-trimpath", "-tags", "osusergo,grpcnotrace", "-ldflags", flags];
  const child = spawn(go, [...args, "-o", join(folder, "pulumi"), engineModule], {
    cwd: module,
    env: { ...environment, CGO_ENABLED: "0", GOFLAGS: "", GOWORK: "off" },
    stdio: ["ignore", "pipe", "pipe"],
    timeout: limitMilliseconds,
    killSignal: "SIGKILL",
  });
  const lines = [];
  const keep = (text) => lines.push(...text.split("\n").filter(Boolean));
  child.stdout.setEncoding("utf8").on("data", keep);
  child.stderr.setEncoding("utf8").on("data", keep);
  const begun = Date.now();
  const timer = setInterval(
    () => report(`still building the engine, ${elapsed(begun)}${doing(lines)}`),
    progressMilliseconds,
  );
  const outcome = await new Promise((resolve) => {
    child.on("error", (error) => resolve(error.message));
    child.on("close", (code, signal) =>
      resolve(code === 0 ? undefined : `go build ended with ${signal ?? `exit code ${code}`}`),
    );
  }).finally(() => clearInterval(timer));
  if (outcome !== undefined) throw new Error([outcome, ...lines.slice(-shownLines)].join("\n    "));
}

const doing = (lines) =>
  lines.length === 0 ? "" : ` (${lines.filter((line) => line.startsWith("go: downloading")).length} modules fetched)`;

function elapsed(begun) {
  const seconds = Math.round((Date.now() - begun) / 1000);
  return `${Math.floor(seconds / 60)} min ${seconds % 60} s`;
}
