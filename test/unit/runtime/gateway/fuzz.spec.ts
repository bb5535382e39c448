import assert from "node:assert/strict";
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { ShadownetError } from "../../../../components/internal/problems";
import { runGateway, type RunningGateway } from "../../../../components/runtime/gateway/gateway";
import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { until } from "../../../support/captureHarness";
import { randomFrom } from "../../../support/damage";
import { fuzzIntakes, sendTo, writeRecording } from "../../../support/fuzzIntakes";
import {
  checkRound,
  recordSessions,
  roundOf,
  untouchedFlow,
  type Http2Sessions,
  type Round,
} from "../../../support/fuzzRound";
import { FuzzShadow } from "../../../support/fuzzShadow";

const kinds = [...fuzzIntakes, "file"] as const;
const seconds = Number(process.env["FUZZ_SECONDS"] ?? 20);
const firstSeed = Number(process.env["FUZZ_SEED"] ?? 1);
const roundMilliseconds = 20_000;
/** The rounds themselves need some memory, and what they left is given back late. */
const growthBytes = 200 * 2 ** 20;
const limits = { holeTimeoutMilliseconds: 300 };

function settled({ requests, flows }: GatewayStats): boolean {
  const failed = Object.values(requests.failed).reduce((a, b) => a + b, 0);
  return flows.open === 0 && flows.heldBytes === 0 && requests.answered + failed === requests.replayed;
}

/** Says which seed and packets a failure came from; the packets are left as a file for Wireshark. */
function explained(error: unknown, kind: string, round: Round): Error {
  const file = join(tmpdir(), `gateway-fuzz-${round.seed}.pcap`);
  writeRecording(
    file,
    round.packets.map(({ frame }) => frame),
    () => 0.9,
  );
  const text = `FUZZ_SEED=${round.seed}, ${kind}, ${round.harm}, ${round.kinds.join("; ")}, packets in ${file}`;
  return new Error(`${text}\n${error instanceof Error ? error.stack : String(error)}`, { cause: error });
}

describe("gateway: mutated flows of every protocol through every intake, for a bounded time", function () {
  this.timeout((seconds + 120) * 1_000);
  let folder: string;
  let sessions: Http2Sessions;
  /** When the rounds end; at once when one of them fails. */
  let deadline = 0;
  const running = new Map<string, Round>();
  const note = (error: Error): void => {
    for (const [kind, round] of running) process.stderr.write(`${explained(error, kind, round).message}\n`);
  };

  before(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-fuzz-"));
    sessions = await recordSessions();
    process.on("uncaughtExceptionMonitor", note);
  });

  after(() => {
    process.off("uncaughtExceptionMonitor", note);
    rmSync(folder, { recursive: true, force: true });
  });

  const start = (shadow: FuzzShadow, name: string, from: object): Promise<RunningGateway> =>
    runGateway({
      ...from,
      to: shadow.to,
      stats: join(folder, `${name}.json`),
      samples: join(folder, `${name}.ndjson`),
      responseTimeoutSeconds: 5,
      limits,
    });

  /** Rounds one after another until the time is over. */
  const rounds = async (kind: string, one: (round: Round) => Promise<void>): Promise<number> => {
    let count = 0;
    for (; performance.now() < deadline; count++) {
      const round = roundOf(firstSeed + count, sessions);
      running.set(kind, round);
      const began = performance.now();
      await one(round).catch((error: unknown) => {
        throw explained(error, kind, round);
      });
      const took = performance.now() - began;
      if (took > roundMilliseconds) throw explained(new Error(`took ${took} ms`), kind, round);
    }
    running.delete(kind);
    return count;
  };

  const fuzz = async (kind: (typeof kinds)[number]): Promise<void> => {
    const shadow = new FuzzShadow();
    await shadow.start();
    const gateway = kind === "file" ? undefined : await start(shadow, kind, { intake: `${kind}:127.0.0.1:0` });
    try {
      const count = await rounds(kind, (round) =>
        gateway === undefined || kind === "file" ? recorded(shadow, round) : live(kind, gateway, shadow, round),
      );
      assert.ok(count > 0, `${kind}: not a single round in the time given`);
    } finally {
      deadline = 0;
      await gateway?.stop();
      await shadow.stop();
    }
  };

  it("sends nothing but true messages, an untouched flow verbatim and a fresh one after it, and gives memory back", async () => {
    let baseline = 0;
    const warm = setTimeout(() => (baseline = process.memoryUsage.rss()), (seconds * 1_000) / 3);
    deadline = performance.now() + seconds * 1_000;
    const outcomes = await Promise.allSettled(kinds.map(fuzz));
    clearTimeout(warm);
    const failed = outcomes.find((outcome) => outcome.status === "rejected");
    if (failed !== undefined) throw failed.reason as Error;
    const grown = process.memoryUsage.rss() - baseline;
    assert.ok(grown < growthBytes, `grew by ${grown} bytes in the last two thirds of the time`);
  });

  const live = async (
    kind: (typeof fuzzIntakes)[number],
    gateway: RunningGateway,
    shadow: FuzzShadow,
    round: Round,
  ): Promise<void> => {
    const random = randomFrom(~round.seed);
    const intake = (): GatewayStats["intake"] => gateway.snapshot().intake;
    const before = structuredClone(gateway.snapshot().requests);
    await sendTo(kind, gateway.intakeAddress, intake, round.packets, round.harm === "enemy", random);
    gateway.endFlows();
    await until("everything is settled", () => settled(gateway.snapshot()));
    await new Promise((done) => setTimeout(done, 10));
    checkRound(round, shadow.take(), before, gateway.snapshot().requests);
    const fresh = untouchedFlow(round.seed, 51_000);
    const packets = fresh.frames.map((frame) => ({ frame, untouched: true }));
    await sendTo(kind, gateway.intakeAddress, intake, packets, false, random);
    await until("the fresh flow is settled", () => settled(gateway.snapshot()));
    assert.equal(shadow.take().untouched.toString("latin1"), fresh.asks.toString("latin1"), "a fresh flow is served");
  };

  const recorded = async (shadow: FuzzShadow, round: Round): Promise<void> => {
    const random = randomFrom(~round.seed);
    const changes = random() < 0.4 ? 1 + Math.floor(random() * 4) : 0;
    const path = join(folder, "recording");
    writeRecording(
      path,
      round.packets.map(({ frame }) => frame),
      random,
      changes,
    );
    const gateway = await start(shadow, "file", { fromFile: path, speed: 0 });
    const before = structuredClone(gateway.snapshot().requests);
    const refused = await gateway.finished.then(
      () => false,
      (error: unknown) => {
        if (changes > 0 && error instanceof ShadownetError && error.code === "bad-capture") return true;
        throw error;
      },
    );
    const { requests } = await gateway.stop();
    await new Promise((done) => setTimeout(done, 10));
    const got = shadow.take();
    if (changes === 0) checkRound(round, got, before, requests);
    else assert.ok(!refused || requests.onWire === 0);
  };
});
