import assert from "node:assert/strict";

import { configProblems, parseEndpoint, parseIntake } from "../../../../components/runtime/gateway/config";
import { serveMetrics } from "../../../../components/runtime/gateway/metrics";
import { newStats } from "../../../../components/runtime/gateway/stats";

const files = { stats: "/run/stats.json", samples: "/run/samples.ndjson" };
const base = { ...files, intake: "vxlan:127.0.0.1:4789" };
const recording = { ...files, fromFile: "/run/in.pcap" };

const problemsOf = (config: unknown): string[] =>
  configProblems(config).map(({ path, reason }) => `${path}: ${reason}`);
const pathsOf = (config: unknown): string[] => configProblems(config).map(({ path }) => path);

/** What each number may be, and what is just beyond it or of another kind. */
const numbers: [path: string, good: number[], bad: unknown[]][] = [
  ["vni", [0, 0xffffff], [-1, 0x1000000, 1.5, "1", null, Number.NaN]],
  ["percent", [0, 0.0001, 12.5, 100], [-1, 100.1, "50", Number.NaN]],
  ["seed", [0, 0xffffffff], [-1, 2 ** 32, 0.5]],
  ["responseTimeoutSeconds", [0.001, 3_600], [0, 3_601, Infinity]],
  ["workers", [1, 64], [0, 65, 1.5]],
  ["limits.flows", [1, 1_000_000], [0, 1_000_001]],
  ["limits.bytesPerFlow", [1, 2 ** 40], [0, 1.5]],
  ["limits.totalBytes", [1, 2 ** 40], [0, -1]],
  ["limits.maximumLagMilliseconds", [0.5, 86_400_000], [0, "1", 86_400_001]],
  ["limits.holeTimeoutMilliseconds", [0.5], [0]],
  ["limits.idleTimeoutMilliseconds", [0.5], [-1]],
];

function withValue(path: string, value: unknown): Record<string, unknown> {
  const [first, second] = path.split(".") as [string, string | undefined];
  return { ...base, [first]: second === undefined ? value : { [second]: value } };
}

/** Configurations, and the paths of all that is wrong with them. */
const wrong: [config: unknown, paths: string[]][] = [
  [undefined, ["configuration"]],
  [[], ["configuration"]],
  ["text", ["configuration"]],
  [{}, ["stats", "samples", "intake"]],
  [{ ...base, stats: "" }, ["stats"]],
  [{ ...base, fromFile: "" }, ["fromFile"]],
  [{ ...base, bogus: 1, limits: { flow: 1 } }, ["bogus", "limits.flow"]],
  [{ ...base, limits: [], hooks: 3, to: "x" }, ["limits", "hooks", "to"]],
  [{ ...base, to: { a: 1 } }, ['to["a"]']],
  [{ ...base, to: { "10.0.0.1:80": "x", y: "10.0.0.2:80" } }, ['to["10.0.0.1:80"]', 'to["y"]']],
  [{ ...base, source: "mine", sampleBy: "header", startClosed: "yes" }, ["source", "sampleBy", "startClosed"]],
  [{ ...base, include: {}, exclude: [1] }, ["include", "exclude"]],
  [{ ...base, include: [{}, { port: 1 }] }, ["include[1].port"]],
  [
    { ...base, include: [{ sourcePorts: 80, payloadOffset: 1_025, payloadHex: "00" }] },
    ["include[0].sourcePorts", "include[0].payloadOffset"],
  ],
  [{ ...base, exclude: [{ sourceCidr: "x", protocol: 6 }] }, ["exclude[0].protocol", "exclude[0].sourceCidr"]],
  [{ ...base, ownAddressFor: [1] }, ["ownAddressFor"]],
  [{ ...base, metrics: "9464" }, ["metrics"]],
  [{ ...base, intake: "udp:127.0.0.1:1" }, ["intake"]],
  [{ ...base, intake: "geneve:127.0.0.1:6081", workers: 2 }, ["workers"]],
  [{ ...base, intake: "tcp:127.0.0.1:1", workers: 2, vni: 1 }, ["workers", "vni"]],
  [{ ...recording, workers: 2 }, ["workers"]],
  [{ ...base, ...recording }, ["fromFile"]],
  [{ ...base, percent: 0.00004 }, ["percent"]],
  [{ ...base, speed: 1 }, ["speed"]],
  [{ ...recording, speed: -1 }, ["speed"]],
  [{ ...base, startClosed: true }, ["startClosed"]],
  [{ ...recording, startClosed: true, control: "/run/control" }, ["startClosed"]],
  [{ ...base, record: "/run/stats.json" }, ["record"]],
  [{ ...base, samples: "/run/../run/stats.json", control: "/run/stats.json" }, ["samples", "control"]],
  [{ ...recording, record: "/run/in.pcap" }, ["record"]],
];

const right: Record<string, unknown>[] = [
  base,
  recording,
  { ...recording, speed: 0 },
  { ...base, startClosed: true, control: "/run/control" },
  { ...base, startClosed: false },
  { ...base, stats: "/dev/null", samples: "/dev/null" },
  { ...base, workers: 2, vni: 3, metrics: "127.0.0.1:0", hooks: {}, limits: {} },
  { ...base, intake: "tcp:[::1]:0", workers: 1 },
  { ...base, to: { "10.0.0.1:80": "127.0.0.1:1", "10.0.0.1:81": "127.0.0.1:1" }, source: "original" },
  { ...base, include: [{ payloadHex: "00", payloadOffset: 1_024 }], ownAddressFor: ["10.0.0.0/8"] },
];

describe("gateway: its configuration", () => {
  for (const [path, good, bad] of numbers) {
    it(`takes for ${path} what it can mean, and names what it cannot`, () => {
      for (const value of good) assert.deepEqual(problemsOf(withValue(path, value)), [], String(value));
      for (const value of bad) assert.deepEqual(pathsOf(withValue(path, value)), [path], String(value));
    });
  }

  it("is refused by the name of each field that is wrong, once, and of no other", () => {
    for (const [config, paths] of wrong)
      assert.deepEqual(pathsOf(config).sort(), [...paths].sort(), JSON.stringify(config));
    for (const config of right) assert.deepEqual(problemsOf(config), [], JSON.stringify(config));
  });

  it("is refused with what was given, cut where it is long, and with what was meant", () => {
    assert.deepEqual(problemsOf({ ...base, percent: ["1", "2"] }), [
      'percent: ["1","2"] is not a number from 0 to 100',
    ]);
    assert.deepEqual(problemsOf(undefined), ["configuration: nothing is no object"]);
    const [long] = problemsOf({ ...base, seed: "x".repeat(100) });
    assert.match(long!, /^seed: "x{56}\.\.\. is not a whole number from 0 to 4294967295$/);
    assert.match(problemsOf({ ...base, limits: { flow: 1 } })[0]!, /did you mean "flows"/);
  });

  it("reads addresses of both kinds in one way of writing, and ports from 1, or 0 where the kernel may choose", () => {
    assert.deepEqual(parseEndpoint("10.0.0.5:80"), { address: "10.0.0.5", port: 80 });
    assert.deepEqual(parseEndpoint("[FD00:0::5]:65535"), { address: "fd00::5", port: 65_535 });
    for (const text of ["10.0.0.5", "10.0.0.5:0", "10.0.0.5:65536", "fd00::5:80", "host:80", "10.0.0.5:80 ", ":80"]) {
      assert.equal(parseEndpoint(text), undefined, text);
    }
    assert.deepEqual(parseIntake("geneve:[::]:0"), { kind: "geneve", address: "::", port: 0 });
    for (const text of ["vxlan:0.0.0.0", "xvxlan:0.0.0.0:1", "vxlan:0.0.0.0:65536", "tcp:"]) {
      assert.equal(parseIntake(text), undefined, text);
    }
  });
});

describe("gateway: its counters over HTTP", () => {
  it("are there at /metrics, and nothing else but its health", async () => {
    const stats = newStats(0);
    stats.requests.replayed = 42;
    const server = await serveMetrics("127.0.0.1", 0, () => stats);
    try {
      const { port } = server.address() as { port: number };
      const get = (path: string): Promise<Response> => fetch(`http://127.0.0.1:${port}${path}`);
      for (const path of ["/metrics", "/metrics?from=scraper"]) {
        const response = await get(path);
        assert.equal(response.status, 200);
        assert.match(response.headers.get("content-type") ?? "", /^text\/plain; version=0\.0\.4/);
        assert.match(await response.text(), /^shadownet_gateway_requests_replayed 42$/m);
      }
      assert.deepEqual([(await get("/")).status, (await get("/metrics/x")).status], [404, 404]);
    } finally {
      server.close();
      server.closeAllConnections();
    }
  });
});
