import { type Socket, createSocket } from "node:dgram";
import { performance } from "node:perf_hooks";

import { delaysOf } from "./distribution";
import { counterOf } from "../directions";
import type { Way } from "../match";
import { type RelayConfig, type RelayReport, relayMark } from "./model";
import { DelayQueue, type Held } from "./queue";

/** Socket buffers; the kernel grants what its limits allow. */
const bufferBytes = 8 << 20;
/** Timers are late by up to this long, so the last stretch is waited for without one. */
const spinMilliseconds = 1.2;
const headerBytes = 8;
/** Flags of a VXLAN header: identifier valid, and group policy (which becomes the packet's mark) valid. */
const identifierValid = 0x08;
const groupPolicyValid = 0x80;

/** One tap: the delays that it draws, its last packet, and the counts that it adds to. */
interface TapState {
  next: () => number;
  keepOrder: boolean;
  last: number;
  report: RelayReport;
}

/**
 * Holds the frames that arrive in VXLAN and sends each back when it is due. Frames come back with a mark, by which
 * the rules that sent them here let them pass.
 */
export class Relay {
  private readonly reports = new Map<Way | undefined, RelayReport>();
  private readonly socket: Socket;
  private readonly queue = new DelayQueue<TapState>();
  private readonly taps: TapState[];
  private received = 0;
  private waiting: { due: number; cancel: () => void } | undefined;

  constructor(private readonly config: RelayConfig) {
    this.socket = createSocket({ type: "udp4", recvBufferSize: bufferBytes, sendBufferSize: bufferBytes });
    this.taps = config.taps.map(({ seed, model, way }) => ({
      next: delaysOf(model, seed),
      keepOrder: model.keepOrder,
      last: 0,
      report: this.reportOf(way),
    }));
    this.socket.on("message", (frame) => this.take(frame));
  }

  private reportOf(way: Way | undefined): RelayReport {
    const report = this.reports.get(way) ?? {
      received: 0,
      delayed: 0,
      overflowed: 0,
      held: 0,
      late: 0,
      heldMicroseconds: 0,
      worstLateMilliseconds: 0,
    };
    this.reports.set(way, report);
    return report;
  }

  /** The counts, under names of each direction where the taps say theirs. */
  get report(): Record<string, number> {
    const named = [...this.reports].flatMap(([way, report]) =>
      Object.entries(report).map(([name, value]): [string, number] => [
        way === undefined ? name : counterOf(name, way),
        value as number,
      ]),
    );
    return Object.fromEntries(named);
  }

  /** Starts to take frames; rejects when the address cannot be had. */
  listen(): Promise<void> {
    return new Promise((resolve, reject) => {
      this.socket.once("error", reject);
      this.socket.bind(this.config.port, this.config.listen, () => {
        this.socket.off("error", reject);
        this.socket.on("error", () => undefined);
        resolve();
      });
    });
  }

  /** Sends everything that is held at once and stops; new frames are no longer taken. */
  drain(): Promise<void> {
    this.socket.removeAllListeners("message");
    this.waiting?.cancel();
    this.waiting = undefined;
    for (let held = this.queue.pop(); held !== undefined; held = this.queue.pop()) this.send(held.frame);
    return new Promise((resolve) => this.socket.close(resolve));
  }

  private take(frame: Buffer): void {
    const sent = frame.length > headerBytes && frame.readUInt16BE(2) === relayMark;
    const tap = sent ? this.taps[frame.readUIntBE(4, 3) - 1] : undefined;
    // Anything else is the device's own, such as a multicast report.
    if (tap === undefined) return;
    tap.report.received++;
    if (this.queue.size >= this.config.limit) {
      tap.report.overflowed++;
      return;
    }
    const arrived = performance.now();
    const drawn = arrived + tap.next();
    const due = tap.keepOrder ? Math.max(drawn, tap.last) : drawn;
    tap.last = due;
    tap.report.held++;
    this.queue.push({ frame, arrived, due, order: this.received++, of: tap });
    this.schedule();
  }

  private schedule(): void {
    const first = this.queue.peek();
    if (first === undefined || (this.waiting !== undefined && this.waiting.due <= first.due)) return;
    this.waiting?.cancel();
    const left = first.due - performance.now();
    const wake = (): void => {
      this.waiting = undefined;
      this.sendDue();
    };
    if (left > spinMilliseconds) {
      const timer = setTimeout(wake, Math.max(1, Math.floor(left - spinMilliseconds)));
      this.waiting = { due: first.due, cancel: () => clearTimeout(timer) };
    } else {
      const immediate = setImmediate(wake);
      this.waiting = { due: first.due, cancel: () => clearImmediate(immediate) };
    }
  }

  private sendDue(): void {
    const now = performance.now();
    for (let first = this.queue.peek(); first !== undefined && first.due <= now; first = this.queue.peek()) {
      this.queue.pop();
      count(first, now);
      this.send(first.frame);
    }
    this.schedule();
  }

  private send(frame: Buffer): void {
    frame[0] = identifierValid | groupPolicyValid;
    frame[1] = 0;
    frame.writeUInt16BE(relayMark, 2);
    this.socket.send(frame, this.config.port, this.config.returnTo, ignoreSendError);
  }
}

/** A frame that cannot be sent is lost like one on a wire; the taps' counters show the difference. */
function ignoreSendError(): void {
  return;
}

function count({ due, arrived, of: { report } }: Held<TapState>, now: number): void {
  const late = now - due;
  if (late > 1) report.late++;
  if (late > report.worstLateMilliseconds) report.worstLateMilliseconds = late;
  report.held--;
  report.delayed++;
  report.heldMicroseconds += Math.round((now - arrived) * 1000);
}
