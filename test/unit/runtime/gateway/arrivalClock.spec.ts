import assert from "node:assert/strict";

import { ArrivalClock, Socket, type Kernel } from "../../../../components/runtime/gateway/kernel";
import { now } from "../../../../components/runtime/gateway/time";

function holdUp(milliseconds: number): void {
  for (const until = now() + milliseconds; now() < until;) continue;
}

/** A clock of the kernel that is another one than the gateway's, and a thread that is held up before it has read it. */
function clockOf(ahead: number, delay = 0): { clock: ArrivalClock; controlAt: (time: number) => DataView } {
  const put = (target: Buffer, at: number, time: number): void => {
    const seconds = Math.floor((time + ahead) / 1_000);
    target.writeUInt32LE(seconds, at);
    target.writeUInt32LE(Math.floor((time + ahead - seconds * 1_000) * 1e6), at + 8);
  };
  const calls = {
    clock: (_which: number, value: Buffer) => {
      holdUp(delay);
      put(value, 0, now());
      return 0;
    },
  };
  const controlAt = (time: number): DataView => {
    const control = Buffer.alloc(64);
    control.writeUInt32LE(Socket.timestampNanoseconds, 12);
    put(control, 16, time);
    return new DataView(control.buffer, control.byteOffset, control.length);
  };
  return { clock: new ArrivalClock(calls as unknown as Kernel), controlAt };
}

function assertBetween(value: number, least: number, most: number): void {
  // The kernel's nanoseconds are more than a number of milliseconds since 1970 can tell apart.
  assert.ok(value >= least - 0.001 && value <= most, `${value} is not between ${least} and ${most}`);
}

describe("gateway: when the kernel had it", () => {
  it("lets nothing have come sooner than it came, where comparing the clocks takes long", () => {
    const { clock, controlAt } = clockOf(100_000, 5);
    const came = now();
    clock.set();
    assertBetween(clock.read(controlAt(came), 0), came, now());
  });

  it("tells when something came after the clocks were compared", () => {
    const { clock, controlAt } = clockOf(-7);
    clock.set();
    holdUp(5);
    const came = now();
    const control = controlAt(came);
    holdUp(5);
    assertBetween(clock.read(control, 0), came, came + 4);
  });

  it("believes no time that is still to come", () => {
    const { clock, controlAt } = clockOf(0);
    clock.set();
    const before = now();
    assertBetween(clock.read(controlAt(before + 3_600_000), 0), before, now());
  });
});
