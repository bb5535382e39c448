import assert from "node:assert/strict";

import type { FaultKind, FaultParameters, Flow } from "../../components/experiment";
import type { ResolvedMachine, ResolvedTarget } from "../../components/runtime/faults/plan";
import { run } from "../../components/internal/exec";
import { FaultBed, type RunningFault, assertShare } from "./faultsBed";

type Family = 4 | 6;
type Counts = Awaited<ReturnType<FaultBed["datagrams"]>>;

const sent = 1200;
const flow: Flow = { protocol: "udp", destinationPorts: "7001" };

/** What 1,200 datagrams towards the target must look like while the fault is on. */
interface Cell {
  kind: FaultKind;
  parameters: FaultParameters;
  seen: (counts: Counts) => void;
}

const share = (count: number, percent: number): void => assertShare(count, sent, percent);

const cells: Cell[] = [
  { kind: "blackhole", parameters: {}, seen: ({ received }) => assert.equal(received, 0) },
  { kind: "packetLoss", parameters: { percent: 20 }, seen: ({ received }) => share(sent - received, 20) },
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
    parameters: { percent: 20, delayMilliseconds: 30 },
    seen: ({ overtaken, received }) => {
      assert.equal(received, sent);
      assert.ok(overtaken > sent / 20);
    },
  },
  {
    kind: "bandwidth",
    parameters: { bitsPerSecond: 200_000 },
    seen: ({ received }) => assert.ok(received > 0 && received < sent / 2, `${received}`),
  },
];

describe("every network kind on every target", function () {
  this.timeout(120_000);
  let bed: FaultBed;

  beforeEach(async () => {
    bed = await FaultBed.make();
  });

  afterEach(() => bed.close());

  /** The machine b, its link, or one flow on the link. */
  function target(kind: ResolvedTarget["kind"]): ResolvedTarget {
    const link = bed.link();
    const machine: ResolvedMachine = { name: "b", links: [link], namespace: bed.namespace("b"), cgroups: {} };
    const machines = kind === "machine" ? [machine] : [];
    return bed.target({ kind, machines, ...(kind === "flow" ? { flow } : {}) });
  }

  async function measure(fault: RunningFault, family: Family, seen: Cell["seen"], kind: ResolvedTarget["kind"]) {
    seen(await bed.datagrams("a", family, 7001, sent, 1500));
    if (kind === "flow") {
      const twin = await bed.datagrams("a", family, 7002, 300, 1500);
      assert.deepEqual(twin, { received: 300, wrong: 0, duplicates: 0, overtaken: 0 }, "the twin flow is untouched");
    }
    const effect = await fault.effect();
    assert.ok(effect.proven, effect.why);
    await fault.stop();
    assert.equal((await bed.datagrams("a", family, 7001, 100, 1500)).received, 100);
  }

  for (const family of [4, 6] as const) {
    // A sender on a virtual cable gives no checksum that corruption could break.
    for (const cell of cells.filter(({ kind }) => kind !== "corruption")) {
      it(`${cell.kind} of what a machine gets, done at its own end, IPv${family}`, async () => {
        const fault = await bed.start(
          { ...cell.parameters, kind: cell.kind, seed: 7, direction: "ingress" },
          { ...target("flow"), links: [bed.link("machine")] },
        );
        await measure(fault, family, cell.seen, "flow");
      });
    }
  }

  for (const kind of ["machine", "link", "flow"] as const) {
    for (const family of [4, 6] as const) {
      for (const cell of cells) {
        it(`${cell.kind} on a ${kind}, IPv${family}`, async () => {
          const fault = await bed.start(
            { ...cell.parameters, kind: cell.kind, seed: 7, direction: "ingress" },
            target(kind),
          );
          await measure(fault, family, cell.seen, kind);
        });
      }

      it(`latency on a ${kind}, IPv${family}`, async () => {
        const fault = await bed.start({ kind: "latency", delayMilliseconds: 40, direction: "ingress" }, target(kind));
        const times = await bed.roundTrips(family, 7001, 200, 200);
        assert.equal(times.received, 200);
        assert.ok(times.p01 >= 39.5, `${times.p01} ms`);
        const { proven, why } = await fault.effect();
        assert.ok(proven, why);
        await fault.stop();
        assert.ok((await bed.roundTrips(family, 7001, 200, 200)).p01 < 39.5);
      });

      if (kind === "flow") continue;
      it(`linkDown on a ${kind}, IPv${family}`, async () => {
        const fault = await bed.start({ kind: "linkDown" }, target(kind));
        assert.equal(await bed.pings(family), 0);
        const { proven, why } = await fault.effect();
        assert.ok(proven, why);
        await fault.stop();
        assert.equal(await bed.pings(family), 1);
      });
    }
  }

  it("leaves a queue alone that somebody else has put on the device, and it goes on shaping", async () => {
    const queue = (): Promise<string> => run(["tc", "-n", bed.namespace("s"), "qdisc", "show", "dev", "pb"]);
    await run([
      "tc",
      "-n",
      bed.namespace("s"),
      "qdisc",
      "add",
      "dev",
      "pb",
      "root",
      "handle",
      "77:",
      "tbf",
      "rate",
      "50mbit",
      "burst",
      "64k",
      "latency",
      "50ms",
    ]);
    const before = await queue();
    assert.match(before, /tbf 77:/);
    for (const cell of cells) {
      const fault = await bed.start({ ...cell.parameters, kind: cell.kind, seed: 7 }, target("link"));
      assert.equal(await queue(), before, `${cell.kind} is on`);
      await fault.stop();
      assert.equal(await queue(), before, `${cell.kind} is over`);
    }
  });
});
