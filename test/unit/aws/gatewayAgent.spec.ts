import assert from "node:assert/strict";
import { appendFileSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { MetricDatum } from "@aws-sdk/client-cloudwatch";

import { type AgentReach, GatewayAgent } from "../../../components/aws/gateway/agent";
import type { GatewayBoot, GatewayPlace } from "../../../components/aws/gateway/boot";
import { cappedPercent } from "../../../components/aws/gateway/ceiling";
import { counterData, exchangeData } from "../../../components/aws/gateway/gatewayMetrics";
import type { GatewayConfig } from "../../../components/runtime/gateway/config";
import type { ExchangeSample } from "../../../components/runtime/gateway/exchange";
import { type GatewayStats, newStats } from "../../../components/runtime/gateway/stats";

const boot: GatewayBoot = {
  shadowName: "shop",
  region: "eu-central-1",
  settingsParameter: "/shadownet/shop/mirror/settings",
  intakeParameter: "/shadownet/shop/mirror/intake",
  intake: "geneve",
  basis: {
    include: [{ destinationCidr: "10.20.10.11/32", protocol: "tcp", destinationPorts: ["80"] }],
    exclude: [{ sourceCidr: "10.20.10.21/32" }],
    machines: { "10.20.10.11": "web-1" },
    shadowCidrs: ["10.20.0.0/16"],
    source: "original",
    responseTimeoutSeconds: 10,
  },
};

function exchange(at: number, rest: Partial<ExchangeSample> = {}): ExchangeSample {
  return {
    flow: "tcp 203.0.113.7:40123>10.20.10.11:80",
    index: 0,
    protocol: "http1",
    live: { start: at, end: at + 10, status: 200 },
    shadow: { start: at + 5, end: at + 25, status: 200 },
    equal: true,
    lagMilliseconds: 5,
    ...rest,
  };
}

/** Everything that the agent reaches, in memory. */
class Reach implements AgentReach {
  parameters: Record<string, string> | Error = {};
  stats: GatewayStats | undefined;
  time = 1_000_000;
  reloads = 0;
  readonly published: MetricDatum[] = [];
  readonly said: string[] = [];
  deaf = false;

  readParameters(): Promise<Record<string, string>> {
    return this.parameters instanceof Error ? Promise.reject(this.parameters) : Promise.resolve(this.parameters);
  }
  putMetrics(data: MetricDatum[]): Promise<void> {
    if (this.deaf) return Promise.reject(new Error("no way to CloudWatch"));
    this.published.push(...data);
    return Promise.resolve();
  }
  gatewayStats(): Promise<GatewayStats | undefined> {
    return Promise.resolve(this.stats === undefined ? undefined : structuredClone({ ...this.stats, time: this.time }));
  }
  setIntake(open: boolean): Promise<void> {
    this.stats!.intake.open = open;
    return Promise.resolve();
  }
  reloadGateway(): Promise<void> {
    this.reloads++;
    return Promise.resolve();
  }
  now(): number {
    return this.time;
  }
  log(message: string): void {
    this.said.push(message);
  }
}

const settings = (percent: number, more = {}): string =>
  JSON.stringify({
    percent,
    seed: 7,
    sampleBy: "flow",
    exclude: [{ protocol: "tcp", destinationPorts: ["22"] }],
    ...more,
  });

describe("agent of an AWS gateway", () => {
  let folder: string;
  let place: GatewayPlace;
  let reach: Reach;
  let agent: GatewayAgent;
  const config = (): GatewayConfig => JSON.parse(readFileSync(join(folder, "config.json"), "utf8")) as GatewayConfig;
  const tell = (text: string, intake = "closed"): void => {
    reach.parameters = { [boot.settingsParameter]: text, [boot.intakeParameter]: intake };
  };

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), "agent-test-"));
    place = { primaryAddress: "100.64.0.20", standingAddress: "100.64.0.10", runFolder: folder, dataFolder: folder };
    reach = new Reach();
    agent = new GatewayAgent(boot, place, reach);
  });

  afterEach(async () => {
    await agent.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("writes the configuration before the gateway starts: closed, at its own address, with the basis", async () => {
    tell(settings(10), "open");
    await agent.prepare();
    assert.deepEqual(config(), {
      intake: "geneve:100.64.0.20:6081",
      percent: 10,
      seed: 7,
      sampleBy: "flow",
      include: boot.basis.include,
      exclude: [{ protocol: "tcp", destinationPorts: ["22"] }, { sourceCidr: "10.20.10.21/32" }],
      source: "original",
      ownAddressFor: ["10.20.0.0/16"],
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
      control: join(folder, "gateway.sock"),
      startClosed: true,
      responseTimeoutSeconds: 10,
      metrics: "100.64.0.20:9464",
    });
  });

  it("starts with the last configuration when the parameters cannot be read, and not without any", async () => {
    reach.parameters = new Error("timeout");
    await assert.rejects(agent.prepare(), /timeout/);
    writeFileSync(join(folder, "config.json"), "{}");
    await agent.prepare();
    assert.match(reach.said.join(), /starting with the last configuration/);
  });

  it("reloads when the settings change, once, and only a gateway that answers", async () => {
    tell(settings(10));
    await agent.turn();
    assert.equal(reach.reloads, 0, "it does not answer yet");
    reach.stats = newStats(1);
    await agent.turn();
    assert.equal(reach.reloads, 1, "what it had read may be older than the file");
    await agent.turn();
    tell(settings(20));
    await agent.turn();
    await agent.turn();
    assert.deepEqual([reach.reloads, config().percent], [2, 20]);
  });

  it("keeps the old settings when the new ones are wrong", async () => {
    reach.stats = newStats(1);
    tell(settings(10));
    await agent.turn();
    for (const bad of [settings(101), "{", settings(10, { include: [{ sourcePorts: ["x"] }] })]) {
      tell(bad);
      await agent.turn();
      assert.equal(config().percent, 10);
    }
    assert.equal(reach.said.length, 3);
    tell("{", "open");
    await agent.turn();
    assert.equal(reach.stats.intake.open, true, "the intake follows all the same");
  });

  it("opens and closes the intake as it is told, again after the gateway has restarted", async () => {
    reach.stats = newStats(1);
    tell(settings(10), "open");
    await agent.turn();
    assert.equal(reach.stats.intake.open, true);
    reach.stats = newStats(2);
    await agent.turn();
    assert.equal(reach.stats.intake.open, true);
    for (const other of ["closed", "", "OPEN"]) {
      tell(settings(10), "open");
      await agent.turn();
      tell(settings(10), other);
      await agent.turn();
      assert.equal(reach.stats.intake.open, false, other);
    }
  });

  it("closes the intake after a minute without an answer, not before", async () => {
    reach.stats = newStats(1);
    tell(settings(10), "open");
    await agent.turn();
    reach.parameters = new Error("timeout");
    reach.time += 59_000;
    await agent.turn();
    assert.equal(reach.stats.intake.open, true);
    reach.time += 2_000;
    await agent.turn();
    assert.equal(reach.stats.intake.open, false);
  });

  it("publishes each exchange once, later when CloudWatch is out of reach", async () => {
    reach.stats = newStats(1);
    tell(settings(10));
    reach.deaf = true;
    appendFileSync(join(folder, "samples.ndjson"), `${JSON.stringify(exchange(995_000))}\nno exchange\n`);
    await agent.turn();
    reach.deaf = false;
    reach.time += 10_000;
    await agent.turn();
    reach.time += 10_000;
    await agent.turn();
    const requests = reach.published.filter(
      ({ MetricName, Dimensions }) => MetricName === "LiveRequests" && Dimensions?.length === 1,
    );
    assert.deepEqual(
      requests.map(({ Value }) => Value),
      [1],
    );
    assert.deepEqual(requests[0]!.Timestamp, new Date(990_000));
  });
});

describe("metrics of an AWS gateway", () => {
  it("puts exchanges in live's step, for the service and for the machine", () => {
    const data = exchangeData(
      [
        exchange(10_001),
        exchange(19_999, { shadow: { start: 1, error: "timeout" }, equal: undefined }),
        exchange(20_000, { live: { start: 20_000, end: 20_010, status: 503 }, equal: false }),
      ],
      "shop",
      boot.basis.machines,
    );
    const find = (name: string, time: number, machine?: string): MetricDatum | undefined =>
      data.find(
        ({ MetricName, Timestamp, Dimensions }) =>
          MetricName === name &&
          Timestamp?.getTime() === time &&
          Dimensions?.find(({ Name }) => Name === "Machine")?.Value === machine,
      );
    assert.equal(find("LiveRequests", 10_000)?.Value, 2);
    assert.deepEqual(find("ShadowErrors", 10_000)?.StatisticValues, { SampleCount: 2, Sum: 1, Minimum: 0, Maximum: 1 });
    assert.deepEqual(find("LiveErrors", 20_000, "web-1")?.StatisticValues, {
      SampleCount: 1,
      Sum: 1,
      Minimum: 1,
      Maximum: 1,
    });
    assert.deepEqual([find("LiveLatency", 10_000)?.Values, find("LiveLatency", 10_000)?.Counts], [[10], [2]]);
    assert.equal(find("LiveLatency", 20_000), undefined, "an error has no latency");
    assert.deepEqual(find("Differences", 20_000)?.StatisticValues, { SampleCount: 1, Sum: 1, Minimum: 1, Maximum: 1 });
    assert.deepEqual(find("ReplayLag", 10_000)?.Values, [5]);
  });

  it("keeps to 150 values in a datum and loses none", () => {
    const samples = Array.from({ length: 400 }, (_, at) =>
      exchange(10_000, { live: { start: 10_000, end: 10_000 + at + 1, status: 200 } }),
    );
    const latencies = exchangeData(samples, "shop", {}).filter(({ MetricName }) => MetricName === "LiveLatency");
    assert.ok(latencies.every(({ Values }) => Values!.length <= 150));
    assert.equal(
      latencies.flatMap(({ Counts }) => Counts!).reduce((sum, count) => sum + count, 0),
      400,
    );
  });

  it("gives shares of what has been counted since, and none across a restart", () => {
    const before = newStats(1);
    const after = newStats(1);
    after.time = 10_000;
    Object.assign(after.requests, { onWire: 10, replayed: 8, lostByMirror: 1 });
    Object.assign(after.selection, { flowsSeen: 100, flowsSelected: 10 });
    const named = (name: string, data: MetricDatum[]): MetricDatum | undefined =>
      data.find(({ MetricName }) => MetricName === name);
    const data = counterData(before, after, "shop");
    assert.deepEqual(named("ReplayCoverage", data)?.StatisticValues, {
      SampleCount: 10,
      Sum: 8,
      Minimum: 0,
      Maximum: 1,
    });
    assert.equal(named("PacketsUnseen", data)?.Value, 0);
    const blind = structuredClone(after);
    blind.intake.kernelDrops = 6;
    const unseen = counterData(before, blind, "shop");
    assert.equal(named("PacketsUnseen", unseen)?.Value, 6);
    assert.equal(named("ReplayCoverage", unseen)?.StatisticValues?.SampleCount, 16);
    assert.deepEqual(named("MirrorShare", data)?.StatisticValues, {
      SampleCount: 100,
      Sum: 1000,
      Minimum: 0,
      Maximum: 100,
    });
    assert.equal(named("IntakeOpen", data)?.Value, 0);
    assert.deepEqual(
      counterData(before, { ...after, startedAt: 2 }, "shop").map(({ MetricName }) => MetricName),
      ["IntakeOpen"],
    );
  });
});

describe("ceiling of an AWS gateway", () => {
  const reading = (time: number, megabytes: number, share: number): GatewayStats => {
    const stats = newStats(1);
    stats.time = time;
    Object.assign(stats.intake, { bytes: megabytes * 1e6, packets: megabytes * 1000 });
    stats.selection.packetsSelected = megabytes * 1000 * share;
    return stats;
  };
  const empty = reading(0, 0, 0);

  it("falls in proportion above it and rises again below it, never above what was asked", () => {
    assert.equal(cappedPercent(50, 50, 20, empty, reading(10_000, 100, 0.5)), 25);
    assert.equal(cappedPercent(50, 25, 20, empty, reading(10_000, 100, 0.22)), 25);
    assert.equal(cappedPercent(50, 25, 20, empty, reading(10_000, 100, 0.1)), 30);
    assert.equal(cappedPercent(50, 48, 20, empty, reading(10_000, 100, 0.1)), 50);
    assert.equal(cappedPercent(10, 50, 20, empty, empty), 10);
  });
});
