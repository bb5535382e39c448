import assert from "node:assert/strict";

import type { FaultKind, FaultParameters } from "../../components/experiment";
import { netemLimit } from "../../components/runtime/faults/delay";
import { guestFolderOr } from "../support/guest";
import {
  type Arrived,
  type Family,
  NetemBed,
  type Stream,
  type TargetKind,
  arrivedOf,
  dump,
  effectOf,
  hitPort,
  saidBy,
  twinPort,
} from "./netemBed";

const sent = 400;
const families: Family[] = [4, 6];

/** What the machine gets while the fault is on, of what its neighbour sent to the port that the flow names. */
interface Cell {
  kind: FaultKind;
  parameters?: FaultParameters;
  /** Tried on a link alone; defaults to every target. */
  linkAlone?: boolean;
  seen: (hit: Arrived) => void;
}

/** Within the 99.9 % interval of a share of what was sent. */
function share(count: number, percent: number): void {
  const expected = (sent * percent) / 100;
  const tolerance = 3.29 * Math.sqrt((expected * (100 - percent)) / 100) + 2;
  assert.ok(Math.abs(count - expected) <= tolerance, `${count} of ${sent}, expected ${expected} ± ${tolerance}`);
}

function whole({ received, wrong, duplicates }: Arrived): void {
  assert.deepEqual({ received, wrong, duplicates }, { received: sent, wrong: 0, duplicates: 0 });
}

/** No packet earlier than asked, and half of them not much later than it takes without the fault. */
function held(milliseconds: number) {
  return (hit: Arrived): void => {
    whole(hit);
    assert.ok(hit.least >= milliseconds, `${hit.least} ms`);
    assert.ok(hit.median < milliseconds + 15, `${hit.median} ms`);
  };
}

const spread = (distribution: FaultParameters["distribution"]): Cell => ({
  kind: "latency",
  linkAlone: true,
  parameters: { delayMilliseconds: 40, jitterMilliseconds: 8, distribution },
  seen: (hit) => {
    whole(hit);
    assert.ok(hit.mean > 36 && hit.mean < 60, `${hit.mean} ms`);
    assert.ok(hit.deviation > 3 && hit.deviation < 24, `± ${hit.deviation} ms`);
  },
});

const cells: Cell[] = [
  { kind: "blackhole", seen: ({ received }) => assert.equal(received, 0) },
  { kind: "latency", parameters: { delayMilliseconds: 40 }, seen: held(40) },
  spread("uniform"),
  spread("normal"),
  spread("pareto"),
  spread("paretonormal"),
  { kind: "packetLoss", parameters: { percent: 20 }, seen: ({ received }) => share(sent - received, 20) },
  {
    kind: "packetLoss",
    parameters: { burstP: 0.1, burstR: 0.4, burstH: 0, burstK: 1 },
    linkAlone: true,
    seen: ({ received }) => assert.ok(received > sent * 0.5 && received < sent * 0.95, `${received}`),
  },
  {
    kind: "corruption",
    parameters: { percent: 20 },
    seen: ({ received, wrong }) => {
      share(sent - received, 20);
      assert.equal(wrong, 0);
    },
  },
  {
    kind: "payloadCorruption",
    parameters: { percent: 20 },
    seen: ({ received, wrong }) => {
      assert.equal(received, sent);
      share(wrong, 20);
    },
  },
  { kind: "duplicate", parameters: { percent: 20 }, seen: ({ duplicates }) => share(duplicates, 20) },
  {
    kind: "reorder",
    parameters: { percent: 20, delayMilliseconds: 40 },
    seen: (hit) => {
      whole(hit);
      assert.ok(hit.overtaken > sent / 20, `${hit.overtaken}`);
    },
  },
  {
    kind: "bandwidth",
    parameters: { bitsPerSecond: 200_000 },
    seen: ({ received }) => assert.ok(received > 0 && received < sent / 2, `${received}`),
  },
];

const boots = [
  { init: "systemd", timer: "systemd-run" },
  { init: "plain", timer: "at" },
] as const;

describe("faults on a kernel with netem (Debian in QEMU)", function () {
  this.timeout(1_000_000);
  let beds: NetemBed[] = [];

  before(async function () {
    const image = guestFolderOr(() => this.skip());
    const made = await Promise.allSettled(boots.map(({ init }) => NetemBed.make(image, init)));
    beds = made.flatMap((each) => (each.status === "fulfilled" ? [each.value] : []));
    for (const each of made) if (each.status === "rejected") throw each.reason;
  });

  after(() => Promise.all(beds.map((bed) => bed.close())));

  /** The same on both machines at once. */
  const onBoth = (work: (bed: NetemBed, timer: string) => Promise<void>): Promise<unknown> =>
    Promise.all(beds.map((bed, index) => work(bed, boots[index]!.timer)));

  it("is what the probe finds there: everything, and each machine has its own keeper of time", () =>
    onBoth((bed, timer) => {
      const { relay, systemdRun, atd, ...rest } = bed.capabilities;
      assert.equal(relay, undefined);
      assert.equal(atd, true);
      assert.equal(systemdRun, timer === "systemd-run");
      const all = ["netem", "tbf", "htb", "nftNetdevIngress", "nftNetdevEgress", "vxlan", "ethtool", "mirred", "ifb"];
      assert.deepEqual(rest, { ...Object.fromEntries(all.map((name) => [name, true])), cgroup: "v2" });
      return Promise.resolve();
    }));

  const everywhere = (["machine", "link", "flow"] as const).flatMap((target) =>
    cells.filter(({ linkAlone }) => linkAlone !== true || target === "link").map((cell) => ({ cell, target })),
  );
  const name = ({ cell: { kind, parameters = {} }, target }: (typeof everywhere)[number]): string =>
    `${kind} ${JSON.stringify(parameters)} on a ${target}`;

  // Two at once, one on each machine: what takes the time is the emulation of a processor.
  for (let index = 0; index < everywhere.length; index += 2) {
    const pair = everywhere.slice(index, index + 2);
    it(`${pair.map(name).join(", and ")}, IPv4 and IPv6`, () =>
      Promise.all(pair.map(({ cell, target }, at) => measure(beds[at]!, boots[at]!.timer, cell, target))));
  }

  async function measure(bed: NetemBed, timer: string, cell: Cell, target: TargetKind): Promise<void> {
    const { from, direction } = wayOf(target, cell.kind);
    const plan = bed.plan({ kind: cell.kind, ...cell.parameters, direction }, target);
    const streams = [hitPort, twinPort].flatMap((port) => families.map((family): Stream => ({ from, family, port })));
    await bed.write(plan);
    const said = await bed.steps({
      start: bed.script("start"),
      during: bed.traffic(streams, sent, 3000),
      queues: "tc -s qdisc; tc -n s -s qdisc",
      effect: bed.script("effect"),
      stop: bed.script("stop"),
      dump,
      after: bed.traffic(streams, 50, 3000, 0.1),
    });
    assert.deepEqual(eventsOf(said.start), ["armed", "applied", "verified"]);
    assert.equal(saidBy(said.start)[0]!.timer, timer);
    const [four, six, ...twins] = arrivedOf(said.during);
    if (target === "flow") twins.forEach(whole);
    cell.seen(four!);
    cell.seen(six!);
    if (plan.mechanism === "netem") checkQueue(said.queues, cell.parameters ?? {});
    const effect = effectOf(plan, said.effect);
    assert.ok(effect.proven, effect.why);
    assert.equal(said.dump, bed.before);
    for (const { received } of arrivedOf(said.after)) assert.equal(received, 50);
  }
});

/** The way of a fault, and who sends what it hits. On a virtual cable what arrives has a real checksum only where a port sees it. */
function wayOf(target: TargetKind, kind: FaultKind): { direction: "egress" | "ingress"; from: "a" | "b" } {
  const leaves = target === "machine" || (target === "flow" && kind === "corruption");
  return leaves ? { direction: "egress", from: "b" } : { direction: "ingress", from: "a" };
}

function eventsOf(printed: string): (string | undefined)[] {
  return saidBy(printed).map(({ event }) => event);
}

function checkQueue(queues: string, { delayMilliseconds, jitterMilliseconds = 0 }: FaultParameters): void {
  const [, limit, dropped] = /qdisc netem 1: .* limit (\d+) [\s\S]*?\(dropped (\d+),/.exec(queues) ?? [];
  const model = { delayMilliseconds: delayMilliseconds ?? 0, jitterMilliseconds };
  const asked = netemLimit({ ...model, distribution: "normal", keepOrder: true });
  assert.deepEqual([Number(limit), Number(dropped)], [asked, 0], queues);
}
