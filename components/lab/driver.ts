import { access, rm } from "node:fs/promises";
import { request } from "node:http";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import type { FaultTarget, ShadowChange } from "../experiment";
import { tryRun } from "../internal/exec";
import { readRecord, writeAtomically } from "../internal/files";
import { ShadownetError } from "../internal/problems";
import { probeCapabilities } from "../runtime/faults/capabilities";
import { interpretEffect } from "../runtime/faults/effect";
import type { Capabilities, FaultEffect, FaultPlan, ResolvedTarget } from "../runtime/faults/plan";
import { renderScript } from "../runtime/faults/script";
import type { ExchangeSample } from "../runtime/gateway/exchange";
import type { GatewayStats } from "../runtime/gateway/stats";
import {
  type ChangeHandle,
  type ContainmentFinding,
  type DrillResult,
  type Driver,
  type FaultHandle,
  type MirrorState,
  type ShadowDescription,
  type SignalPoint,
  shadowGoneCode,
} from "../runtime/runner/driver";
import { listChanges, makeChange, revertChange } from "./changes";
import { LabSampling } from "./sampling";
import { probeContainment } from "./containment";
import { machineStatus } from "./kernel/machine";
import { readMirror } from "./kernel/mirror";
import { machineNamespace, networkFolder } from "./kernel/names";
import { armedFaultsOf, faultFolder, faultIds, faultScript } from "./faults";
import { linkNames, resolveTarget } from "./resolve";
import { type ShadowRecord, readShadowRecord } from "./shadowRecord";

/** Opens the lab's driver for one shadow; throws when there is no such shadow, or when the name is a production's. */
export async function openLabDriver(network: string): Promise<Driver> {
  return new LabDriver(network, await readShadowRecord(network));
}

class LabDriver implements Driver {
  private readonly plans = new Map<string, FaultPlan>();
  private sampling: LabSampling | undefined;
  private probed: Promise<Capabilities> | undefined;

  constructor(
    private readonly network: string,
    private readonly record: ShadowRecord,
  ) {}

  async describe(): Promise<ShadowDescription> {
    const { topology, fidelity } = this.record;
    const machines = await Promise.all(
      topology.machines.map(async ({ name, role, interfaces }) => ({
        name,
        role,
        running: await this.isRunning(name),
        subnets: [...new Set(interfaces.map(({ subnet }) => subnet))],
      })),
    );
    const services = (topology.services ?? []).map(({ name, port, machines, edge }) => ({
      name,
      port,
      machines,
      edge,
    }));
    return { network: this.network, backEnd: "lab", machines, links: linkNames(topology), services, fidelity };
  }

  private async isRunning(machine: string): Promise<boolean> {
    return (await machineStatus(this.network, machine))?.running === true;
  }

  capabilities(): Promise<Capabilities> {
    this.probed ??= probeCapabilities();
    return this.probed;
  }

  resolve(target: FaultTarget): Promise<ResolvedTarget> {
    return Promise.resolve().then(() => resolveTarget(this.network, this.record.topology, target));
  }

  async start(plan: FaultPlan): Promise<FaultHandle> {
    await this.checkThere();
    const folder = this.faultFolder(plan.id);
    await rm(folder, { recursive: true, force: true });
    await writeAtomically(join(folder, "plan.json"), JSON.stringify(plan, null, 2));
    await writeAtomically(this.script(plan.id), renderScript(plan, { stateFolder: join(folder, "state") }), 0o755);
    this.plans.set(plan.id, plan);
    await this.callScript(plan.id, "start");
    // The script may have sent probe packets before it broke anything.
    return { id: plan.id, target: plan.target, startedAt: Date.now() };
  }

  async heartbeat(handle: FaultHandle): Promise<void> {
    await this.callScript(handle.id, "heartbeat");
  }

  async effect(handle: FaultHandle): Promise<FaultEffect> {
    const plan = this.plans.get(handle.id) ?? (await this.storedPlan(handle.id));
    const lines = (await this.callScript(handle.id, "effect")).trim().split("\n");
    return interpretEffect(plan, countersIn(lines));
  }

  async stop(handle: FaultHandle): Promise<void> {
    if (await exists(this.script(handle.id))) await this.callScript(handle.id, "stop");
    this.plans.delete(handle.id);
    await rm(this.faultFolder(handle.id), { recursive: true, force: true });
  }

  probeContainment(): Promise<ContainmentFinding[]> {
    return probeContainment(this.network, this.record.topology);
  }

  async mirror(): Promise<MirrorState> {
    const stats = await readRecord<GatewayStats>(this.gatewayFile("stats.json"));
    const mirror = await readMirror(this.network);
    const problems: string[] = [];
    if (mirror === undefined) problems.push("the mirror's rules are gone from production's router; run `shadownet up`");
    if (stats === undefined) problems.push("the gateway has written no counters yet");
    else if (Date.now() - new Date(stats.time).getTime() > 10_000) {
      problems.push("the gateway has not written its counters for more than 10 s; it may be dead: run `shadownet up`");
    }
    return {
      percent: mirror?.spec.percent ?? 0,
      intakeOpen: stats?.intake.open ?? false,
      problems,
      onWire: stats?.requests.onWire ?? 0,
      replayed: stats?.requests.replayed ?? 0,
      answered: stats?.requests.answered ?? 0,
      coverage: stats?.requests.coverage ?? 0,
      lostByMirror: stats?.requests.lostByMirror,
      unseen: stats?.intake.kernelDrops ?? undefined,
      failed: stats?.requests.failed,
      unusable: stats?.requests.unusable,
      shed: stats?.requests.shed,
    };
  }

  /** Returns when the counters say so too: a run that starts right after another reads them, and must not take closed for open. */
  async setIntake(open: boolean): Promise<void> {
    if (!open && (await this.isGone())) return;
    await controlGateway(this.gatewayFile("gateway.sock"), "/intake", { open });
    const deadline = Date.now() + 5000;
    while (Date.now() < deadline && (await this.mirror()).intakeOpen !== open) await delay(100);
  }

  async startSampling(
    stepSeconds: number,
    sink: (points: SignalPoint[]) => void,
    exchanges?: (samples: ExchangeSample[]) => void,
  ): Promise<void> {
    await this.stopSampling();
    this.sampling = new LabSampling({ network: this.network, record: this.record, stepSeconds, sink, exchanges });
    await this.sampling.start();
  }

  async stopSampling(): Promise<void> {
    await this.sampling?.stop();
    this.sampling = undefined;
  }

  async leftovers(): Promise<string[]> {
    const faults = await armedFaultsOf(this.network);
    const changes = await listChanges(this.network);
    return [
      ...faults.map((id) => `fault "${id}" of an earlier run is still active; \`shadownet halt\` undoes it`),
      ...changes.map(
        ({ summary }) => `a change of an earlier run is in place, ${summary}; \`shadownet halt\` undoes it`,
      ),
    ];
  }

  /** Tries to undo everything even when something fails, and throws the first error then. */
  async halt(): Promise<void> {
    const faults = await faultIds(this.network);
    const changes = await listChanges(this.network);
    const stopped = await Promise.allSettled(faults.map((id) => this.stop({ id, target: "", startedAt: 0 })));
    const reverted = await Promise.allSettled(changes.map((change) => this.revertChange(change)));
    const failed = [...stopped, ...reverted].find((result) => result.status === "rejected");
    if (failed !== undefined) throw failed.reason;
  }

  async command(machine: string, argv: string[], timeoutSeconds: number): Promise<DrillResult> {
    const result = await tryRun([...(await enterMachine(this.network, machine)), ...argv], {
      timeoutMilliseconds: timeoutSeconds * 1000,
    });
    return { exitCode: result.code, output: (result.stdout + result.stderr).slice(-4000) };
  }

  change(change: ShadowChange): Promise<ChangeHandle> {
    return makeChange(this.network, change);
  }

  revertChange(handle: ChangeHandle): Promise<void> {
    return revertChange(this.network, handle.id);
  }

  async close(): Promise<void> {
    await this.stopSampling();
  }

  private async isGone(): Promise<boolean> {
    return !(await exists(networkFolder(this.network)));
  }

  private async checkThere(): Promise<void> {
    if (!(await this.isGone())) return;
    const message = `the shadow "${this.network}" is gone: it was destroyed while it was in use`;
    throw new ShadownetError(shadowGoneCode, message);
  }

  private faultFolder(id: string): string {
    return faultFolder(this.network, id);
  }

  private script(id: string): string {
    return faultScript(this.network, id);
  }

  private gatewayFile(name: string): string {
    return join(networkFolder(this.network), "gateway", name);
  }

  private async storedPlan(id: string): Promise<FaultPlan> {
    const plan = await readRecord<FaultPlan>(join(this.faultFolder(id), "plan.json"));
    if (plan === undefined)
      throw new ShadownetError("no-such-fault", `fault "${id}" is not armed on "${this.network}"`);
    return plan;
  }

  private async callScript(id: string, command: string): Promise<string> {
    const { code, stdout, stderr } = await tryRun(["sh", this.script(id), command]);
    if (code === 0) return stdout;
    await this.checkThere();
    const detail = [stderr.trim(), stdout.trim()].filter((text) => text !== "").join("\n");
    throw new ShadownetError("fault-script-failed", `fault "${id}", ${command}: ${detail || `exit code ${code}`}`);
  }
}

/** Prefix with which a command runs inside a machine: its processes, files and network. */
async function enterMachine(network: string, machine: string): Promise<string[]> {
  const status = await machineStatus(network, machine);
  if (status?.running !== true) throw new ShadownetError("machine-down", `machine "${machine}" is not running`);
  if (status.pid !== undefined) return ["nsenter", "--target", String(status.pid), "--all", "--"];
  return ["ip", "netns", "exec", machineNamespace(network, machine)];
}

async function exists(path: string): Promise<boolean> {
  return access(path).then(
    () => true,
    () => false,
  );
}

/** The counters in the last JSON line that carries them. */
function countersIn(lines: string[]): Record<string, number> {
  for (const line of lines.reverse()) {
    if (!line.startsWith("{")) continue;
    const { counters } = JSON.parse(line) as { counters?: Record<string, number> };
    if (counters !== undefined) return counters;
  }
  return {};
}

function controlGateway(socketPath: string, path: string, body: unknown): Promise<void> {
  return new Promise((resolve, reject) => {
    const text = JSON.stringify(body);
    const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(text) };
    const call = request({ socketPath, path, method: "PUT", headers, timeout: 10_000 }, (response) => {
      response.resume();
      if (response.statusCode === 200) resolve();
      else
        reject(new ShadownetError("gateway-refused", `the gateway refused ${path} with status ${response.statusCode}`));
    });
    call.on("timeout", () => call.destroy(new Error("no answer within 10 s")));
    call.on("error", (error) => {
      const cure = "is it running? `shadownet doctor` tells, `shadownet up` starts it again";
      reject(new ShadownetError("gateway-unreachable", `the gateway does not answer (${error.message}); ${cure}`));
    });
    call.end(text);
  });
}
