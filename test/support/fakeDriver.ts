import type { FaultTarget, ShadowChange } from "../../components/experiment";
import { refuse } from "../../components/internal/problems";
import type { Capabilities, FaultEffect, FaultPlan, ResolvedTarget } from "../../components/runtime/faults/plan";
import type { Clock } from "../../components/runtime/runner/clock";
import type {
  ChangeHandle,
  ContainmentFinding,
  DrillResult,
  Driver,
  FaultHandle,
  MirrorState,
  ShadowDescription,
  SignalPoint,
} from "../../components/runtime/runner/driver";
import { seededRandom } from "../../components/runtime/runner/random";

/** How a fake shadow behaves. */
export interface FakeBehaviour {
  /** Called before every call to the driver; throws to make the call fail. */
  before?: (call: string) => void;
  /** Called after every call that changes something; throws to make it fail although it had its effect. */
  after?: (call: string) => void;
  /** Share of live requests that reach the shadow. Defaults to 0.99. */
  coverage?: number;
  /** Packets per second that the gateway's kernel drops unseen. Defaults to not known. */
  unseen?: number;
  /** The shadow fails this share of its requests even when nothing is broken. Defaults to 0. */
  shadowErrors?: number;
  /** Share of the replayed requests that the shadow never answers. Defaults to 0. */
  silent?: number;
  /** How many times slower than live the shadow is. Defaults to 1.2. */
  slowness?: number;
  /** Requests per second on live. Defaults to 100. */
  requests?: number;
  /** Attempts to leave that succeed. Defaults to none. */
  breach?: () => boolean;
  leftovers?: string[];
  problems?: string[];
  /** Share of its requests that the shadow fails while any fault is on. Defaults to 0. */
  faultErrors?: number;
  proven?: boolean;
  seed?: number;
}

/**
 * A shadow in memory: three machines behind one service, with live and shadow series that share their load and react to
 * the faults that are on. It keeps every call in order.
 */
export class FakeDriver implements Driver {
  readonly calls: string[] = [];
  readonly active = new Map<string, FaultPlan>();
  readonly everStarted: string[] = [];
  readonly heartbeats: { id: string; time: number }[] = [];
  readonly windows: { id: string; start: number; end?: number }[] = [];
  readonly changes = new Set<string>();
  intakeOpen = false;
  private replayed = 0;
  private onWire = 0;
  private unseen: number | undefined;
  private sink?: (points: SignalPoint[]) => void;
  private sampling?: AbortController;
  private loop: Promise<void> = Promise.resolve();
  private readonly random: () => number;
  private load = 0;

  constructor(
    private readonly clock: Clock,
    readonly behaviour: FakeBehaviour = {},
  ) {
    this.random = seededRandom(behaviour.seed ?? 7);
  }

  describe(): Promise<ShadowDescription> {
    return this.call("describe", () => ({
      network: "shop",
      backEnd: "fake",
      machines: machineNames.map((name) => ({ name, running: true })),
      links: machineNames.map((name) => `${name}/eth0`),
      services: [{ name: "web", port: 80, machines: ["web-1"], edge: true }],
      fidelity: [],
    }));
  }

  capabilities(): Promise<Capabilities> {
    return this.call("capabilities", () => ({
      netem: true,
      tbf: true,
      htb: true,
      nftNetdevIngress: true,
      nftNetdevEgress: true,
      vxlan: true,
      cgroup: "v2",
      systemdRun: false,
      atd: false,
      ethtool: true,
      relay: ["shadownet-relay"],
    }));
  }

  resolve(target: FaultTarget): Promise<ResolvedTarget> {
    return this.call("resolve", () => {
      const wanted = target.machine ?? target.link?.split("/")[0];
      const machines = machineNames.filter((name) => wanted === "*" || name === wanted).map(machine);
      const reason = `no machine "${wanted}"; there are ${machineNames.join(", ")}`;
      refuse("target", machines.length === 0 ? [{ path: "target", reason }] : []);
      const kind = target.flow !== undefined ? "flow" : target.link !== undefined ? "link" : "machine";
      return {
        kind,
        name: target.machine ?? target.link ?? "",
        machines: kind === "machine" ? machines : [],
        links: machines.flatMap(({ links }) => links),
        flow: target.flow,
        exempt: [],
      };
    });
  }

  start(plan: FaultPlan): Promise<FaultHandle> {
    return this.call("start", () => {
      this.active.set(plan.id, plan);
      this.everStarted.push(plan.id);
      this.windows.push({ id: plan.id, start: this.clock.now() });
      return { id: plan.id, target: plan.target, startedAt: this.clock.now() };
    });
  }

  heartbeat(handle: FaultHandle): Promise<void> {
    return this.call("heartbeat", () => {
      this.heartbeats.push({ id: handle.id, time: this.clock.now() });
    });
  }

  effect(): Promise<FaultEffect> {
    const proven = this.behaviour.proven ?? true;
    return this.call("effect", () => ({ counters: { matched: proven ? 40 : 0 }, proven, why: "40 packets matched" }));
  }

  stop(handle: FaultHandle): Promise<void> {
    return this.call("stop", () => this.undo(handle.id));
  }

  probeContainment(): Promise<ContainmentFinding[]> {
    const reached = this.behaviour.breach?.() ?? false;
    const attempt = "tcp 198.51.100.7 port 80";
    return this.call("probeContainment", () => [
      { from: "web-1", attempt, reached, detail: reached ? "connected" : "no answer" },
    ]);
  }

  mirror(): Promise<MirrorState> {
    return this.call("mirror", () => ({
      percent: 100,
      intakeOpen: this.intakeOpen,
      problems: this.behaviour.problems ?? [],
      onWire: this.onWire,
      replayed: this.replayed,
      answered: Math.round(this.replayed * (1 - (this.behaviour.silent ?? 0))),
      failed: { timeout: Math.round(this.replayed * (this.behaviour.silent ?? 0)) },
      coverage: this.onWire === 0 ? 1 : this.replayed / this.onWire,
      lostByMirror: this.onWire - this.replayed,
      unseen: this.unseen,
    }));
  }

  setIntake(open: boolean): Promise<void> {
    return this.call(`setIntake ${open}`, () => {
      this.intakeOpen = open;
    });
  }

  startSampling(stepSeconds: number, sink: (points: SignalPoint[]) => void): Promise<void> {
    return this.call("startSampling", () => {
      this.sink = sink;
      this.sampling = new AbortController();
      this.loop = this.sampleSteps(stepSeconds * 1000, this.sampling.signal);
    });
  }

  async stopSampling(): Promise<void> {
    this.sampling?.abort();
    await this.loop;
    await this.call("stopSampling", () => undefined);
  }

  leftovers(): Promise<string[]> {
    return this.call("leftovers", () => [
      ...(this.behaviour.leftovers ?? []),
      ...[...this.active.keys()].map((id) => `fault "${id}" is still active`),
    ]);
  }

  halt(): Promise<void> {
    return this.call("halt", () => [...this.active.keys()].forEach((id) => this.undo(id)));
  }

  command(machine: string, argv: string[]): Promise<DrillResult> {
    return this.call(`command ${machine} ${argv.join(" ")}`, async () => {
      await this.clock.sleep(3000);
      return { exitCode: argv[0] === "false" ? 1 : 0, output: "" };
    });
  }

  change({ machine = "web-1" }: ShadowChange): Promise<ChangeHandle> {
    return this.call("change", () => {
      this.changes.add(machine);
      return { id: `change-${machine}`, machine, summary: `${machine} has another size` };
    });
  }

  revertChange({ machine }: ChangeHandle): Promise<void> {
    return this.call("revertChange", () => {
      this.changes.delete(machine);
    });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }

  private undo(id: string): void {
    this.active.delete(id);
    const window = this.windows.findLast((candidate) => candidate.id === id);
    if (window !== undefined) window.end ??= this.clock.now();
  }

  private async call<T>(name: string, act: () => T | Promise<T>): Promise<T> {
    this.calls.push(name);
    this.behaviour.before?.(name);
    const result = await act();
    this.behaviour.after?.(name);
    return result;
  }

  private async sampleSteps(step: number, signal: AbortSignal): Promise<void> {
    for (;;) {
      const start = Math.floor(this.clock.now() / step) * step;
      try {
        await this.clock.sleep(start + step - this.clock.now(), signal);
      } catch {
        return;
      }
      if (this.intakeOpen) this.sink?.(this.pointsAt(start, step / 1000));
    }
  }

  private pointsAt(time: number, seconds: number): SignalPoint[] {
    const { requests = 100, coverage = 0.99, slowness = 1.2, shadowErrors = 0, faultErrors = 0 } = this.behaviour;
    this.load = 0.9 * this.load + this.random() - 0.5;
    const noise = (): number => (this.random() - 0.5) * 2;
    const onWire = Math.round(requests * seconds);
    this.onWire += onWire;
    if (this.behaviour.unseen !== undefined) this.unseen = (this.unseen ?? 0) + this.behaviour.unseen * seconds;
    this.replayed += Math.round(onWire * coverage);
    if (onWire === 0) return [];
    const broken = this.active.size > 0;
    const delays = [...this.active.values()].map(({ fault }) => fault.delayMilliseconds ?? 0);
    const live = 20 + this.load + noise();
    const shadow = slowness * (20 + this.load) + noise() + delays.reduce((sum, delay) => sum + delay, 0);
    const point = (signal: string, side: "live" | "shadow", value: number): SignalPoint => ({
      signal,
      target: "service",
      side,
      time,
      value,
    });
    return [
      ...[50, 95, 99].flatMap((percent, index) => [
        point(`app.latency.p${percent}`, "live", live * (1 + index)),
        point(`app.latency.p${percent}`, "shadow", shadow * (1 + index)),
      ]),
      point("app.requests", "live", onWire),
      point("app.requests", "shadow", onWire),
      point("app.errors", "live", 0),
      point("app.errors", "shadow", Math.min(1, shadowErrors + (broken ? faultErrors : 0))),
      point("replay.coverage", "shadow", coverage),
    ];
  }
}

const machineNames = ["web-1", "app-1", "data-1"];

function machine(name: string): ResolvedTarget["machines"][number] {
  const address = `10.80.${machineNames.indexOf(name) + 1}.11`;
  return {
    name,
    namespace: `fake-${name}`,
    links: [{ name: `${name}/eth0`, device: `p-${name}`, side: "network", addresses: [address] }],
    cgroups: {},
    crashCommand: ["true"],
    restartCommand: ["true"],
    aliveCommand: ["true"],
  };
}
