import assert from "node:assert/strict";

import type { FaultKind, FaultParameters } from "../../components/experiment";
import { netemLimit } from "../../components/runtime/faults/delay";
import { guestFolderOr } from "../support/guest";
import { assertShare } from "./faultsBed";
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
  pinged,
  saidBy,
  stateFolder,
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

const share = (count: number, percent: number): void => assertShare(count, sent, percent);

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

  for (const target of ["machine", "link"] as const) {
    it(`linkDown on a ${target}: its addresses and routes are given back with the carrier`, () =>
      onBoth(async (bed) => {
        const plan = bed.plan({ kind: "linkDown" }, target);
        await bed.write(plan);
        const pings = { four: bed.ping(4, 3), six: bed.ping(6, 3) };
        const said = await bed.steps({
          start: bed.script("start"),
          ...pings,
          effect: bed.script("effect"),
          stop: bed.script("stop"),
          dump,
          again: `${pings.four}; ${pings.six}`,
        });
        assert.deepEqual([pinged(said.four).answered, pinged(said.six).answered], [0, 0]);
        assert.ok(effectOf(plan, said.effect).proven);
        assert.equal(said.dump, bed.before);
        assert.equal(said.again.match(/3 received/g)?.length, 2, said.again);
      }));
  }

  it("netem's queue is long enough for a second's delay, and it would be seen if it were not", () =>
    onBoth(async (bed) => {
      const plan = bed.plan({ kind: "latency", delayMilliseconds: 1000, direction: "ingress" }, "machine");
      const queue = /dev (\S+) root handle 1: netem/.exec(JSON.stringify(plan.apply))![1]!;
      const streams = families.map((family): Stream => ({ from: "a", family, port: hitPort }));
      await bed.write(plan);
      const said = await bed.steps({
        start: bed.script("start"),
        whole: bed.traffic(streams, 1500, 3000, 1.5),
        effect: bed.script("effect"),
        usual: `tc qdisc change dev ${queue} root netem limit 1000 delay 1s`,
        lossy: bed.traffic(streams, 1500, 3000, 1.5),
        overflow: bed.script("effect"),
        stop: bed.script("stop"),
        dump,
      });
      for (const each of arrivedOf(said.whole)) {
        assert.equal(each.received, 1500);
        assert.ok(each.least >= 1000, `${each.least} ms`);
      }
      assert.ok(effectOf(plan, said.effect).proven);
      const arrived = arrivedOf(said.lossy).reduce((sum, { received }) => sum + received, 0);
      assert.ok(arrived < 2500, `${arrived} of 3000`);
      const { proven, why } = effectOf(plan, said.overflow);
      assert.equal(proven, false);
      assert.match(why, /the queue overflowed and lost \d+ packets/);
      assert.equal(said.dump, bed.before);
    }));

  it("leaves queues of somebody else alone, on the machine and on the port, while faults are on and after them", () =>
    Promise.all((["machine", "link"] as const).map((target, index) => besideForeign(beds[index]!, target))));

  /** One fault of each mechanism, beside a netem and a tbf that are not ours. */
  async function besideForeign(bed: NetemBed, target: TargetKind): Promise<void> {
    const own = "tc qdisc show dev eth0; tc -n s qdisc show dev pb";
    const { foreign } = await bed.steps({
      put: `tc qdisc add dev eth0 root handle 77: netem delay 5ms loss 1%
        tc -n s qdisc add dev pb root handle 78: tbf rate 50mbit burst 64k latency 50ms`,
      foreign: dump,
    });
    const mechanisms: FaultKind[] = ["latency", "packetLoss", "corruption", "bandwidth"];
    for (const { kind, parameters } of cells) {
      if (!mechanisms.includes(kind) || parameters?.jitterMilliseconds !== undefined) continue;
      const { direction } = wayOf(target, kind);
      await bed.write(bed.plan({ kind, ...parameters, direction }, target));
      const said = await bed.steps({
        before: own,
        start: bed.script("start"),
        during: own,
        stop: bed.script("stop"),
        dump,
      });
      assert.match(said.before, /netem 77: [\s\S]*tbf 78: /);
      assert.equal(said.during, said.before, `${kind} is on`);
      assert.equal(said.dump, foreign, `${kind} is over`);
    }
    await bed.guest.run("tc qdisc delete dev eth0 root; tc -n s qdisc delete dev pb root");
    assert.equal(await bed.dump(), bed.before);
  }

  const mortal: { kind: FaultKind; parameters: FaultParameters; target: TargetKind }[] = [
    { kind: "latency", parameters: { delayMilliseconds: 40 }, target: "link" },
    { kind: "bandwidth", parameters: { bitsPerSecond: 1_000_000 }, target: "machine" },
    { kind: "linkDown", parameters: {}, target: "machine" },
  ];

  for (const { kind, parameters, target } of mortal) {
    it(`undoes a ${kind} whose script is killed while it applies it`, () =>
      onBoth(async (bed) => {
        await bed.write(bed.plan({ kind, ...parameters, durationSeconds: 4 }, target));
        for (const moment of [0, 0.3, 1]) {
          const said = await bed.steps({
            kill: `setsid ${bed.script("start")} >/dev/null 2>&1 &
              until [ -s ${stateFolder}/starter ]; do sleep 0.01; done
              sleep ${moment}
              kill -9 "-$(cat ${stateFolder}/starter)" 2>/dev/null || true`,
            wait: bed.untilClean(75),
            stop: bed.script("stop"),
            dump,
          });
          assert.equal(said.dump, bed.before, `killed after ${moment} s`);
        }
      }));

    it(`ends a ${kind} in time when its watcher or its guard is killed`, () =>
      onBoth(async (bed, timer) => {
        await bed.write(bed.plan({ kind, ...parameters, durationSeconds: 4 }, target));
        await endsInTime(bed, timer === "at" ? "watcher" : "guard");
      }));
  }

  it("ends a fault in time where neither systemd nor atd keeps it", async () => {
    const bed = beds[1]!;
    await bed.guest.run('kill "$(cat /run/atd.pid)"; rm -f /run/atd.pid');
    await bed.write(bed.plan({ kind: "bandwidth", bitsPerSecond: 1_000_000, durationSeconds: 4 }, "machine"));
    assert.equal(await endsInTime(bed, "watcher"), "process");
    await bed.guest.run("atd");
  });

  /** Kills one of the two processes that look after a fault; returns the timer that it has. */
  async function endsInTime(bed: NetemBed, victim: string): Promise<string> {
    const said = await bed.steps({
      start: bed.script("start"),
      kill: `kill -9 "$(cat ${stateFolder}/${victim})"`,
      deadline: `cat ${stateFolder}/deadline`,
      wait: bed.untilOver(30),
      ended: "cut -d ' ' -f 1 /proc/uptime",
      status: bed.script("status"),
      stop: bed.script("stop"),
      dump,
    });
    const [status] = saidBy(said.status);
    assert.deepEqual([status!.event, status!.reason], ["ended", "timer"]);
    const late = Number(said.ended) - Number(said.deadline) / 100;
    assert.ok(late < 2, `${late} s late`);
    assert.equal(said.dump, bed.before);
    return saidBy(said.start)[0]!.timer!;
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
