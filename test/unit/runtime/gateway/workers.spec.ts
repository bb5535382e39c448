import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { checkConfig, type GatewayConfig } from "../../../../components/runtime/gateway/config";
import type { GatewayStats } from "../../../../components/runtime/gateway/stats";
import { gatewayStatsSchema } from "../../../../components/runtime/gateway/statsSchema";
import { TcpScript } from "../../../support/capture";
import { GatewayHarness, RecordingServer, until } from "../../../support/captureHarness";

const server = { address: "10.9.0.1", port: 80 };
const ok = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello";
const flowCount = 60;

/** Connections side by side; each has retransmitted packets, overtaken ones, and every fifth a request that got lost. */
function capture(): Buffer[] {
  const flows = Array.from({ length: flowCount }, (_, index) => {
    const flow = new TcpScript({ address: `10.8.${index % 3}.${index}`, port: 3_000 + 7 * index }, server).handshake();
    for (let request = 0; request < 4; request++) {
      const text = `PUT /${index}/${request} HTTP/1.1\r\nHost: x\r\nContent-Length: 900\r\n\r\n${"b".repeat(900)}`;
      const before = flow.frames.length;
      flow.say(true, text, 300);
      if (request === 1) flow.frames.push(flow.frames[before]!);
      if (request === 2) flow.frames.push(...flow.frames.splice(before + 1, 1));
      if (request === 3 && index % 5 === 0) flow.frames.splice(before, flow.frames.length - before);
      flow.acknowledge(false).say(false, ok).acknowledge(true);
    }
    return flow.close().frames;
  });
  const longest = Math.max(...flows.map((frames) => frames.length));
  return Array.from({ length: longest }, (_, at) => flows.flatMap((frames) => frames[at] ?? [])).flat();
}

async function replay(
  workers: number,
  more: Partial<GatewayConfig>,
): Promise<{ stats: GatewayStats; harness: GatewayHarness }> {
  const shadow = await RecordingServer.start((socket, _all, fresh) => {
    const heads = fresh.toString("latin1").match(/PUT /g) ?? [];
    for (let index = 0; index < heads.length; index++) socket.write(ok);
  });
  const harness = await GatewayHarness.start({ to: { "10.9.0.1:80": `127.0.0.1:${shadow.port}` }, workers, ...more });
  await harness.send(capture());
  await until("all is answered", () => {
    const { requests } = harness.gateway.snapshot();
    return requests.replayed > 0 && requests.answered === requests.replayed;
  });
  const stats = await harness.stop();
  await shadow.stop();
  return { stats, harness };
}

/** What must not depend on how many threads there are; how much is held is only looked at now and then. */
function counts({ selection, requests, flows, compare, replay: { connections } }: GatewayStats): unknown {
  return { selection, requests, flows: { ...flows, heldBytes: 0 }, compare, connections };
}

describe("gateway: several workers", function () {
  this.timeout(60_000);

  it("count what one counts, and keep one file of each kind", async () => {
    for (const percent of [100, 40]) {
      const one = await replay(1, { percent, seed: 5 });
      const two = await replay(3, { percent, seed: 5 });
      assert.deepEqual(counts(two.stats), counts(one.stats));
      const total = ({ intake }: GatewayStats): number => intake.packets + (intake.prefiltered ?? 0);
      assert.equal(total(two.stats), total(one.stats));
      const lines = (harness: GatewayHarness): string[] =>
        harness
          .samples()
          .map((line) => `${line.flow} ${line.path}`)
          .sort();
      assert.deepEqual(lines(two.harness), lines(one.harness));
      const written = JSON.parse(readFileSync(join(two.harness.folder, "stats.json"), "utf8")) as unknown;
      assert.deepEqual(gatewayStatsSchema.parse(written).requests, two.stats.requests);
      one.harness.remove();
      two.harness.remove();
    }
  });

  it("end what is open, and choose anew, all of them", async () => {
    const shadow = await RecordingServer.start((socket) => socket.write(ok));
    const to = { "10.9.0.1:80": `127.0.0.1:${shadow.port}` };
    const harness = await GatewayHarness.start({ to, workers: 3 });
    const { gateway, folder } = harness;
    const flows = (first: number): Buffer[] =>
      Array.from({ length: 30 }, (_, index) =>
        new TcpScript({ address: `10.8.1.${index}`, port: first + 7 * index }, server)
          .handshake()
          .say(true, "GET / HTTP/1.1\r\n\r\n")
          .say(false, ok)
          .acknowledge(true),
      ).flatMap(({ frames }) => frames);
    try {
      await harness.send(flows(2_000));
      await until("all are answered", () => gateway.snapshot().requests.answered === 30);
      await until("all are open", () => gateway.snapshot().flows.open === 30);
      gateway.endFlows();
      await until("none is open", () => gateway.snapshot().flows.open === 0);
      const files = { stats: join(folder, "stats.json"), samples: join(folder, "samples.ndjson") };
      gateway.reload({
        ...files,
        intake: "vxlan:127.0.0.1:0",
        to,
        workers: 3,
        exclude: [{ destinationPorts: ["80"] }],
      });
      for (let first = 3_000; gateway.snapshot().selection.flowsExcluded < 30; first += 1_000) {
        assert.ok(first < 50_000, "no flow is left out");
        await harness.send(flows(first));
      }
      const before = gateway.snapshot().requests.replayed;
      await harness.send(flows(60_000));
      await until("those are left out too", () => gateway.snapshot().selection.flowsExcluded >= 60);
      assert.equal((await harness.stop()).requests.replayed, before);
    } finally {
      await harness.stop();
      harness.remove();
      await shadow.stop();
    }
  });

  it("do not share the packets of another gateway that has several", async () => {
    const first = await GatewayHarness.start({ workers: 2 });
    const intake = `vxlan:${first.gateway.intakeAddress}`;
    await assert.rejects(GatewayHarness.start({ workers: 2, intake }), /cannot be opened, vxlan:127[^]*EADDRINUSE/);
    await first.stop();
    const next = await GatewayHarness.start({ workers: 2, intake });
    await next.stop();
    for (const harness of [first, next]) harness.remove();
  });

  it("are refused where flows cannot be kept whole", () => {
    const files = { stats: "s", samples: "t" };
    assert.throws(
      () => checkConfig({ ...files, intake: "tcp:127.0.0.1:1", workers: 2 }),
      /workers: more than 1 needs a vxlan/,
    );
    assert.throws(() => checkConfig({ ...files, fromFile: "x", workers: 2 }), /workers: more than 1/);
    assert.throws(() => checkConfig({ ...files, intake: "vxlan:127.0.0.1:1", workers: 65 }), /workers[^]*from 1 to 64/);
  });
});
