import { readFile } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Command } from "commander";

import { parseListenAddress } from "../console/access";
import { type Serving, serve } from "../console/serve";
import type { RunListener } from "../console/runs";
import { GrafanaAnnotations } from "../telemetry/grafana";
import { OtlpExport } from "../telemetry/otlp";
import { backEndOf, backEndsOf } from "./backEnds";
import { packageVersion } from "./package";
import { collect } from "./options";
import { type Terminal, openTerminal } from "./terminal";

interface Options {
  address: string;
  network: string[];
  tokenFile?: string;
  allowHost: string[];
  runs: string;
  seed: string;
  otlp?: string;
  grafanaUrl?: string;
  grafanaTokenFile?: string;
  notifyUrl: string[];
  notifyCommand?: string;
}

const details = `
While it runs it starts experiments that have a schedule, watches the stack's alarms, and takes runs over its HTTP API
(described at /openapi.json, see docs/api.md). Ctrl-C undoes every fault and ends every run before it stops.

Examples:
  shadownet serve
  shadownet serve --address 127.0.0.1:7500 --otlp http://127.0.0.1:4318`;

/** `shadownet serve`: the controller. */
export function register(program: Command): void {
  program
    .command("serve")
    .description("run the controller: HTTP API, schedules, alarms, metrics")
    .option("--address <address>", "loopback address and port to listen on", "127.0.0.1:7425")
    .option(
      "--network <name>",
      "only this shadow, aws:NAME for one on AWS; repeatable, all of this host when left out",
      collect,
      [],
    )
    .option("--token-file <file>", "file with the API's token, made when missing; in the state folder when left out")
    .option("--allow-host <name>", "name with port under which a proxy reaches it; repeatable", collect, [])
    .option("--runs <folder>", "folder that gets a folder per run", "runs")
    .option("--seed <number>", "seed of scheduled runs and of their jitter", "1")
    .option("--otlp <url>", "send metrics to this OpenTelemetry collector, OTLP over HTTP")
    .option("--grafana-url <url>", "mark every fault as an annotation in this Grafana")
    .option("--grafana-token-file <file>", "file with the token of a Grafana service account")
    .option("--notify-url <url>", "tell this webhook of alarms, as Alertmanager does; repeatable", collect, [])
    .option("--notify-command <program>", "tell this program of alarms, on its standard input")
    .addHelpText("after", details)
    .action(async (options: Options) => {
      await carryOut(openTerminal(false), options);
    });
}

async function carryOut(terminal: Terminal, options: Options): Promise<void> {
  const { stateFolder } = await backEndOf(options.network[0]);
  const { parseSeed } = await import("./run.js");
  const version = packageVersion();
  const onProblem = (problem: string): void => terminal.say(`! ${problem}`);
  // Before it says anything: whoever sees that may send a signal, which would end it otherwise.
  const signalled = nextSignal();
  const grafana = await openGrafana(options, onProblem);
  const serving = await serve({
    address: parseListenAddress(options.address),
    tokenFile: resolve(options.tokenFile ?? join(stateFolder, "controller.token")),
    allowedHosts: options.allowHost,
    version,
    backEnd: await backEndsOf(options.network),
    stateFolder,
    runsFolder: resolve(options.runs),
    versions: { shadownet: version, node: process.version },
    seed: parseSeed(options.seed),
    notify: {
      urls: options.notifyUrl,
      command: options.notifyCommand === undefined ? undefined : [options.notifyCommand],
    },
    listeners: [runLines(terminal), ...(grafana === undefined ? [] : [grafana])],
    onProblem,
  });
  const otlp = openOtlp(options.otlp, serving, version, onProblem);
  const tokenFile = resolve(options.tokenFile ?? join(stateFolder, "controller.token"));
  terminal.say(`listening on http://${serving.address}\ntoken in ${tokenFile}`);
  const name = await signalled;
  terminal.say(`${name}: undoing every fault before stopping …`);
  await otlp?.close();
  await serving.close(`interrupted by ${name}`);
  await grafana?.drain();
  terminal.say("stopped");
}

async function openGrafana(
  { grafanaUrl, grafanaTokenFile }: Options,
  onProblem: (problem: string) => void,
): Promise<GrafanaAnnotations | undefined> {
  if (grafanaUrl === undefined) return undefined;
  const token = grafanaTokenFile === undefined ? undefined : (await readFile(grafanaTokenFile, "utf8")).trim();
  return new GrafanaAnnotations({ url: grafanaUrl, token, onProblem });
}

function openOtlp(
  url: string | undefined,
  { controller }: Serving,
  version: string,
  onProblem: (problem: string) => void,
): OtlpExport | undefined {
  if (url === undefined) return undefined;
  const otlp = new OtlpExport({ url, version, read: () => controller.metrics(), onProblem });
  otlp.start();
  return otlp;
}

/** A line per phase, per event and per end of every run. */
function runLines(terminal: Terminal): RunListener {
  return {
    progress: (shadow, run, { kind, experiment, phase, event }) => {
      if (kind === "phase")
        terminal.say(`${run} ${shadow}: ${experiment === undefined ? "" : `${experiment} `}${phase}`);
      if (kind === "event") terminal.say(`${run} ${shadow}: ${event?.message ?? ""}`);
    },
    ended: ({ id, network, status, sentence, statusReason }) =>
      terminal.say(`${id} ${network}: ${status}, ${sentence ?? statusReason ?? ""}`),
  };
}

function nextSignal(): Promise<NodeJS.Signals> {
  return new Promise((end) => {
    for (const name of ["SIGINT", "SIGTERM", "SIGHUP"] as const) process.on(name, () => end(name));
  });
}
