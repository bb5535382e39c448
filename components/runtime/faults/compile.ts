import { createHash } from "node:crypto";

import type { FaultKind } from "../../experiment";
import { type Problem, refuse } from "../../internal/problems";
import { compileLinkDown } from "./carrier";
import type { CompileContext, CompiledKind } from "./context";
import { compileCpu, compileHang, compileMemory } from "./cgroup";
import { compileCorruption, compilePayloadCorruption } from "./corrupt";
import { compileCrash } from "./crash";
import { compileLatency, compileReorder } from "./delay";
import { onWay, separateWays, waysOf } from "./directions";
import { compileDns } from "./dns";
import { compileBlackhole, compileLoss } from "./drop";
import { compileProcessKill } from "./processes";
import { compileBandwidth, compileDuplicate } from "./shape";
import { compileDisk, compileIo } from "./storage";
import { type Way, isExempt, validateFlow } from "./match";
import { validateFault } from "./parameters";
import type { Capabilities, Fault, FaultPlan, ResolvedTarget } from "./plan";
import { type ProbeParts, probeParts } from "./probes";

/** Time between two heartbeats that the runner sends; three missed ones end the fault. */
export const heartbeatSeconds = 2;

const kinds: Record<FaultKind, (context: CompileContext) => CompiledKind> = {
  linkDown: compileLinkDown,
  blackhole: compileBlackhole,
  latency: compileLatency,
  packetLoss: compileLoss,
  corruption: compileCorruption,
  payloadCorruption: compilePayloadCorruption,
  duplicate: compileDuplicate,
  reorder: compileReorder,
  bandwidth: compileBandwidth,
  machineCrash: compileCrash,
  machineHang: compileHang,
  cpuExhaustion: compileCpu,
  memoryExhaustion: compileMemory,
  diskExhaustion: compileDisk,
  ioExhaustion: compileIo,
  processKill: compileProcessKill,
  dnsFailure: compileDns,
};

/**
 * Turns one fault on one target into plain commands that carry it out, prove it and undo it, with the mechanisms that
 * exist at the target. Throws a ProblemsError that names every parameter that does not fit, a kind that makes no sense
 * on the target, and every mechanism that is missing together with what to install.
 */
export function compile(fault: Fault, target: ResolvedTarget, capabilities: Capabilities): FaultPlan {
  refuse(`fault "${fault.id}"`, faultProblems(fault, target));
  const problems: Problem[] = [];
  const direction = fault.direction ?? "both";
  const context: CompileContext = {
    fault,
    on: (way) => onWay(fault, way),
    target,
    capabilities,
    ways: waysOf(fault),
    scope: {
      flow: target.flow,
      bothWays: direction === "both",
      exempt: target.exempt,
      separate: separateWays(fault).length > 0,
      probes: fault.probePackets === true,
    },
    seed: fault.seed ?? seedOf(fault.id),
    problem: (problem) => problems.push(problem),
  };
  const compiled = withProbes(kinds[fault.kind](context), probeParts(context));
  hookProblems(compiled, context);
  refuse(`fault "${fault.id}"`, problems);
  return {
    id: fault.id,
    fault,
    target: target.name,
    touches: {
      machines: [...new Set([...target.machines.map(({ name }) => name), ...target.links.map(machineOf)])],
      links: target.links.map(({ name }) => name),
    },
    ...compiled,
    heartbeatSeconds,
    direction,
  };
}

function withProbes(compiled: CompiledKind, { before, during, undo, effect, notes }: ProbeParts): CompiledKind {
  return {
    ...compiled,
    apply: [...before, ...compiled.apply, ...during],
    undo: [...undo, ...compiled.undo],
    effect: [...compiled.effect, ...effect],
    notes: [...compiled.notes, ...notes],
  };
}

/** `app-1` for `app-1/eth0`; a subnet's link carries its own name. */
function machineOf({ name }: { name: string }): string {
  return name.split("/")[0]!;
}

function seedOf(id: string): number {
  return createHash("sha256").update(id).digest().readUInt32BE(0);
}

function faultProblems(fault: Fault, target: ResolvedTarget): Problem[] {
  const { id, kind, durationSeconds, ...parameters } = fault;
  const problems = validateFault(kind, parameters, target.kind, "fault");
  if (!/^[A-Za-z0-9][A-Za-z0-9_.-]{0,99}$/.test(id)) {
    problems.push({
      path: "fault.id",
      reason: `"${id}" is not allowed; use letters, digits, dots, hyphens and underscores`,
    });
  }
  if (!(durationSeconds > 0 && durationSeconds <= 86_400)) {
    const reason = `${durationSeconds} is not allowed; allowed is more than 0 s and at most a day (86400 s)`;
    problems.push({ path: "fault.durationSeconds", reason });
  }
  return [...problems, ...targetProblems(target)];
}

function targetProblems(target: ResolvedTarget): Problem[] {
  const problems: Problem[] = [];
  if (target.kind === "machine" ? target.machines.length === 0 : target.links.length === 0) {
    problems.push({
      path: "target",
      reason: `"${target.name}" resolved to no ${target.kind === "machine" ? "machine" : "link"}`,
    });
  }
  if (target.flow !== undefined) {
    problems.push(...validateFlow(target.flow, "target.flow"));
    if (problems.length === 0 && isExempt(target.flow, target.exempt)) {
      const reason = "lies wholly in the management path, which no fault may touch";
      problems.push({ path: "target.flow", reason });
    }
  }
  target.exempt.forEach((flow, index) => problems.push(...validateFlow(flow, `target.exempt[${index}]`)));
  return problems;
}

function hookProblems(compiled: CompiledKind, { capabilities, problem }: CompileContext): void {
  const uses = (hook: Way): boolean => compiled.apply.some(({ stdin }) => stdin?.includes(`hook ${hook} `) ?? false);
  if (uses("ingress") && !capabilities.nftNetdevIngress) {
    problem({
      path: "fault",
      reason: "needs nftables' netdev ingress hook; install nftables and a kernel of version 4.2 or newer",
    });
  }
  if (uses("egress") && !capabilities.nftNetdevEgress) {
    problem({
      path: "fault",
      reason: "needs nftables' netdev egress hook; install nftables 1.0 and a kernel of version 5.16 or newer",
    });
  }
}
