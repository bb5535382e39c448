import { homedir } from "node:os";
import { join } from "node:path";

import type { Experiment } from "../../experiment";
import { validateExperiment } from "../../validation/experiment";
import { requireLabHost } from "../../internal/labHost";
import { ExitCode, type Problem, ShadownetError } from "../../internal/problems";
import type { MonitorSettings } from "../../monitor";
import type { Topology } from "../../topology";
import type { ConsoleBackEnd } from "../console/backEnd";
import type { Driver } from "../runner/driver";

/** What the command line needs of a back end. */
export interface BackEnd extends ConsoleBackEnd {
  /** The topology of a shadow as it was built; throws when there is no such shadow. */
  topology(shadow: string): Promise<Topology>;
  /** Why experiments that the stack defines are not run from here, by their names. Defaults to none. */
  notRunHere?(shadow: string): Promise<Record<string, string>>;
  /** Folder on this host for locks, the halt switch and the controller's files. */
  stateFolder: string;
}

/** What a name must begin with to mean a shadow on AWS. */
const awsPrefix = "aws:";

/** Refuses where the lab cannot run, and says what can. */
export function requireLab(): void {
  requireLabHost();
}

/** The back end of a shadow: the one place where the command line chooses. */
export async function backEndOf(network: string | undefined): Promise<BackEnd> {
  return network?.startsWith(awsPrefix) === true ? awsBackEnd() : labBackEnd();
}

/** Name of the shadow meant: the given one, or the only one there is on this host. */
export async function chooseShadow(given: string | undefined): Promise<string> {
  if (given !== undefined) return given;
  const shadows = await (await labBackEnd()).shadows();
  if (shadows.length === 1) return shadows[0]!;
  const message =
    shadows.length === 0
      ? "there is no shadow here; make one with `shadownet up`, or name one on AWS with --network aws:NAME"
      : `there are several shadows, say which one with --network: ${shadows.join(", ")}`;
  throw new ShadownetError("which-shadow", message, ExitCode.BadInput);
}

/** Opens the driver of a shadow. */
export async function openDriver(network: string): Promise<Driver> {
  return (await backEndOf(network)).open(network);
}

/** Several back ends as one, each asked for its own shadows; those of AWS only as far as they are named. */
export async function backEndsOf(only: readonly string[]): Promise<ConsoleBackEnd> {
  const named = only.filter((name) => name.startsWith(awsPrefix));
  const withLab = only.length === 0 || named.length < only.length;
  const lab = withLab ? await labBackEnd() : undefined;
  for (const name of only) await (await backEndOf(name)).topology(name);
  const of = (shadow: string) => backEndOf(shadow);
  return {
    shadows: async () => {
      const here = (await lab?.shadows()) ?? [];
      return [...(only.length === 0 ? here : here.filter((name) => only.includes(name))), ...named];
    },
    open: openDriver,
    experiments: async (shadow) => (await of(shadow)).experiments(shadow),
    monitor: async (shadow) => (await of(shadow)).monitor(shadow),
    problems: async (shadow, name, experiment) => (await of(shadow)).problems(shadow, name, experiment),
  };
}

async function labBackEnd(): Promise<BackEnd> {
  requireLab();
  const { listNetworks } = await import("../../lab/kernel/network.js");
  const { stateFolder } = await import("../../lab/kernel/names.js");
  const { experimentsOf, monitorOf } = await import("../../lab/definitions.js");
  const { readShadowRecord } = await import("../../lab/shadowRecord.js");
  const { openLabDriver } = await import("../../lab/driver.js");
  const topology = async (shadow: string): Promise<Topology> => (await readShadowRecord(shadow)).topology;
  return {
    stateFolder: stateFolder(),
    shadows: async () => (await listNetworks()).filter(({ role }) => role === "shadow").map((shadow) => shadow.network),
    open: openLabDriver,
    experiments: experimentsOf,
    monitor: monitorOf,
    topology,
    problems: problemsWith(topology),
  };
}

async function awsBackEnd(): Promise<BackEnd> {
  const { openAwsDriver } = await import("../../aws/driver.js");
  const { readAwsRecord } = await import("../../aws/driver/record.js");
  const { notRunHere } = await import("../../aws/driver/recordFormat.js");
  const nameOf = (shadow: string): string => shadow.slice(awsPrefix.length);
  const topology = async (shadow: string): Promise<Topology> => (await readAwsRecord(nameOf(shadow))).topology;
  return {
    stateFolder: process.env.SHADOWNET_STATE ?? userStateFolder(),
    shadows: () => Promise.resolve([]),
    open: (shadow) => openAwsDriver(nameOf(shadow)),
    experiments: async (shadow): Promise<Record<string, Experiment>> =>
      (await readAwsRecord(nameOf(shadow))).experiments,
    notRunHere: async (shadow) => notRunHere(await readAwsRecord(nameOf(shadow))),
    monitor: async (shadow): Promise<MonitorSettings> => (await readAwsRecord(nameOf(shadow))).monitor,
    topology,
    problems: problemsWith(topology),
  };
}

/** Unlike the lab, a shadow on AWS needs no root here. */
function userStateFolder(): string {
  return join(process.env.XDG_STATE_HOME ?? join(homedir(), ".local", "state"), "shadownet");
}

function problemsWith(topology: (shadow: string) => Promise<Topology>) {
  return async (shadow: string, name: string, experiment: unknown): Promise<Problem[]> =>
    validateExperiment(name, experiment, await topology(shadow));
}
