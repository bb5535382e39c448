import { readdir } from "node:fs/promises";
import { join, resolve } from "node:path";

import type { Command } from "commander";
import pc from "picocolors";

import { tryRun } from "../../internal/exec";
import { labHostProblems } from "../../internal/labHost";
import { ExitCode } from "../../internal/problems";
import { probeCapabilities } from "../faults/capabilities";
import type { Capabilities } from "../faults/plan";
import { isHalted } from "../runner/halt";
import { cutOffReason, readJournal } from "../runner/journalWriter";
import { foreignCure, foreignSentence } from "./foreign";
import { toolFile } from "./package";
import { staleLocks } from "./staleLocks";
import { openTerminal } from "./terminal";

/** One thing that was looked at. */
interface Finding {
  subject: string;
  state: "ok" | "missing" | "broken" | "leftover" | "note";
  detail: string;
  /** What to type to mend it. */
  cure?: string;
}

/** `shadownet doctor`: what is missing on this machine, what earlier runs left, and how to mend both. */
export function register(program: Command): void {
  program
    .command("doctor")
    .description("what is missing on this machine, what is left over from earlier runs, and how to mend both")
    .option("--json", "print the findings as JSON")
    .addHelpText("after", "\nExample:\n  shadownet doctor")
    .action(async (options: { json?: boolean }) => {
      const terminal = openTerminal(options.json === true);
      const findings = [...(await setupFindings()), ...(await labFindings())];
      const missing = findings.some(({ state }) => state === "missing");
      const amiss = findings.some(({ state }) => state === "leftover" || state === "broken");
      process.exitCode = missing ? ExitCode.NotPossibleHere : amiss ? ExitCode.FailureFound : ExitCode.Done;
      terminal.result({ healthy: !missing && !amiss, findings }, findings.map(describe).join("\n"));
    });
}

function describe({ subject, state, detail, cure }: Finding): string {
  const marks = {
    ok: pc.green("✓"),
    missing: pc.red("✗ missing"),
    broken: pc.red("✗ broken"),
    leftover: pc.yellow("! left over"),
    note: pc.dim("·"),
  };
  return `${marks[state]} ${subject}: ${detail}${cure === undefined ? "" : `\n    mend it: ${cure}`}`;
}

/** What set-up would still do, in its own words. */
async function setupFindings(): Promise<Finding[]> {
  const plan = await tryRun([process.execPath, toolFile("setup.mjs"), "--dry-run", "--json"]);
  if (plan.code !== 0) {
    return [{ subject: "set-up", state: "missing", detail: plan.stderr.trim(), cure: "shadownet setup" }];
  }
  const { steps } = JSON.parse(plan.stdout) as { steps: { name: string; needed: boolean; detail: string }[] };
  return steps.map(({ name, needed, detail }) => ({
    subject: name,
    state: needed ? "missing" : "ok",
    detail,
    cure: needed ? "shadownet setup" : undefined,
  }));
}

async function labFindings(): Promise<Finding[]> {
  const problems = labHostProblems();
  if (problems.length > 0) {
    // Without Linux or root there is no lab, and nothing is wrong with that where only cloud back ends are used.
    const state = problems.every(({ path }) => path === "programs") ? "missing" : "note";
    return problems.map(({ path, reason }) => ({ subject: `lab, ${path}`, state, detail: reason }));
  }
  return [...describeKernel(await probeCapabilities()), ...(await networkFindings())];
}

function describeKernel(capabilities: Capabilities): Finding[] {
  const needed: [keyof Capabilities, string][] = [
    ["nftNetdevIngress", "nft rules on a device's ingress"],
    ["nftNetdevEgress", "nft rules on a device's egress"],
    ["vxlan", "VXLAN devices"],
  ];
  const kernel = needed.map(([key, what]): Finding => {
    const there = capabilities[key] === true;
    return { subject: what, state: there ? "ok" : "missing", detail: there ? "works here" : "this kernel has none" };
  });
  const delay = capabilities.netem ? "by netem" : "by the user-space relay, because this kernel lacks netem";
  const groups = `control groups ${capabilities.cgroup}`;
  return [
    ...kernel,
    { subject: "delay faults", state: "note", detail: delay },
    {
      subject: "machine limits and counters",
      state: capabilities.cgroup === "none" ? "missing" : "ok",
      detail: groups,
    },
  ];
}

async function networkFindings(): Promise<Finding[]> {
  const { listNetworks } = await import("../../lab/kernel/network.js");
  const { activeDisturbances, findLeftovers, foreignNetworks } = await import("../../lab/leftovers.js");
  const { stateFolder } = await import("../../lab/kernel/names.js");
  const networks = await listNetworks();
  const findings = networks.map(({ network, role }): Finding => ({
    subject: `${role} "${network}"`,
    state: "note",
    detail: "is there",
  }));
  findings.push(...(await brokenParts(networks.map(({ network }) => network))));
  for (const { network, what } of await activeDisturbances()) {
    findings.push({
      subject: `shadow "${network}"`,
      state: "leftover",
      detail: what,
      cure: "shadownet halt",
    });
  }
  for (const sentence of await findLeftovers({ ignoreKnownNetworks: true })) {
    const group = /^control group (\S+)/.exec(sentence)?.[1];
    const cure = group === undefined ? "shadownet down" : `find ${group} -depth -type d -exec rmdir {} +`;
    findings.push({ subject: "lab", state: "leftover", detail: sentence, cure });
  }
  for (const other of await foreignNetworks()) {
    findings.push({
      subject: "other networks",
      state: "note",
      detail: foreignSentence(other),
      cure: foreignCure(other),
    });
  }
  findings.push(...lockFindings(stateFolder()), ...(await runFindings()));
  const halted = isHalted(stateFolder());
  if (halted !== undefined) {
    findings.push({
      subject: "halt",
      state: "note",
      detail: `runs are refused: ${halted.reason}`,
      cure: "shadownet release",
    });
  }
  return findings;
}

/** Gateways that have died and mirrors that production does not have any more. */
async function brokenParts(networks: string[]): Promise<Finding[]> {
  const { readGateway } = await import("../../lab/kernel/gateway.js");
  const { hasMirrorRecord, readMirror } = await import("../../lab/kernel/mirror.js");
  const broken = (network: string, detail: string): Finding => ({
    subject: `shadow "${network}"`,
    state: "broken",
    detail,
    cure: "shadownet up",
  });
  const perNetwork = await Promise.all(
    networks.map(async (network) => {
      const gateway = await readGateway(network);
      const mirrorIsGone = (await hasMirrorRecord(network)) && (await readMirror(network)) === undefined;
      return [
        ...(gateway !== undefined && gateway.pid === undefined ? [broken(network, "its gateway is dead")] : []),
        ...(mirrorIsGone
          ? [broken(network, "production has no mirror for it: production is down or was restarted")]
          : []),
      ];
    }),
  );
  return perNetwork.flat();
}

/** Locks whose process is gone. They hinder nobody: whoever comes next takes them over. */
function lockFindings(stateFolder: string): Finding[] {
  return staleLocks(join(stateFolder, "locks")).map((name) => ({
    subject: "lock",
    state: "note",
    detail: `${name} is of a process that has ended; the next operation takes it over`,
  }));
}

/** Runs that were cut off and not looked at since. */
async function runFindings(): Promise<Finding[]> {
  const folder = resolve("runs");
  const runs = await readdir(folder).catch(() => [] as string[]);
  const journals = await Promise.all(
    runs.sort().map(async (run) => ({ run, journal: await readJournal(join(folder, run)).catch(() => undefined) })),
  );
  return journals
    .filter(({ journal }) => journal?.statusReason === cutOffReason)
    .map(({ run }) => ({
      subject: `run ${run}`,
      state: "note",
      detail: cutOffReason,
      cure: `shadownet report ${run}`,
    }));
}
