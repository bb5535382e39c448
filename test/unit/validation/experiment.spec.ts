import assert from "node:assert/strict";

import type { Experiment, ExperimentAction } from "../../../components/experiment";
import { experimentJsonSchema, validateExperiment } from "../../../components/validation/experiment";
import { validateMirror } from "../../../components/validation/mirror";
import { validateMonitor } from "../../../components/validation/monitor";
import { readTopology } from "../../../components/topologySchema";

const topology = readTopology(`${__dirname}/../../../examples/lab/production.json`);
const cut: ExperimentAction = { fault: "linkDown", target: { link: "data-1/eth0" }, durationSeconds: 10 };

function experimentProblems(experiment: unknown, name = "x"): string[] {
  return validateExperiment(name, experiment, topology).map(({ path, reason }) => `${path}: ${reason}`);
}

function assertProblems(found: string[], expected: RegExp[]): void {
  assert.equal(found.length, expected.length, found.join("\n"));
  expected.forEach((pattern, index) => assert.match(found[index]!, pattern));
}

const experiments: [string, unknown, RegExp[]][] = [
  ["nothing at all", {}, [/^actions: missing/]],
  ["no action", { actions: {} }, [/^actions: give at least one action/]],
  [
    "an unknown fault",
    { actions: { a: { ...cut, fault: "linkDwn" } } },
    [/actions\.a\.fault: "linkDwn" is not allowed; .*did you mean "linkDown"\?/],
  ],
  [
    "nothing to hit",
    { actions: { a: { fault: "linkDown", durationSeconds: 5 } } },
    [/actions\.a\.target: aimed at nothing/],
  ],
  ["an empty target", { actions: { a: { ...cut, target: {} } } }, [/actions\.a\.target: aimed at nothing/]],
  [
    "two targets",
    { actions: { a: { ...cut, target: { machine: "app-1", link: "app-1/eth0" } } } },
    [/exclude each other/],
  ],
  [
    "a machine that is not there",
    { actions: { a: { ...cut, target: { machine: "ap-1" } } } },
    [/target\.machine: no machine of the shadow matches "ap-1"; did you mean "app-1"\?/],
  ],
  ["no length", { actions: { a: { ...cut, durationSeconds: undefined } } }, [/durationSeconds: missing/]],
  [
    "two lengths",
    { actions: { a: { ...cut, pulse: { activeSeconds: 1, dormantSeconds: 1, repeat: 8 } } } },
    [/a pulse gives the length/],
  ],
  [
    "a bad pulse",
    {
      actions: { a: { ...cut, durationSeconds: undefined, pulse: { activeSeconds: 0, dormantSeconds: 1, repeat: 0 } } },
    },
    [/pulse\.activeSeconds: 0 is too small/, /pulse\.repeat: 0 is too small/],
  ],
  [
    "two kinds of step",
    { actions: { a: { ...cut, waitSeconds: 3 } } },
    [/set exactly one of .*; fault and waitSeconds are set/],
  ],
  [
    "a direction's values that it does not know, or out of all range",
    { actions: { a: { ...cut, egress: { percnt: 5 }, ingress: { percent: 500, direction: "egress" } } } },
    [
      /actions\.a\.egress\.percnt: unknown field; did you mean "percent"/,
      /actions\.a\.ingress\.percent: 500 is too large/,
      /actions\.a\.ingress\.direction: unknown field/,
    ],
  ],
  [
    "an image that is no folder on the lab's host",
    { actions: { a: { change: { machine: "app-1", image: "nginx:1.27" } } } },
    [/^actions\.a\.change\.image: "nginx:1\.27" is no absolute path.*`docker export` of a container of it/],
  ],
  [
    "a change that changes nothing",
    { actions: { a: { change: { machine: "app-1" } } } },
    [/^actions\.a\.change: changes nothing; give one of environment, workloadCommand, image, cpus/],
  ],
  [
    "an unknown predecessor",
    { actions: { a: { ...cut, startAfter: ["bee"] }, b: { waitSeconds: 1 } } },
    [/actions\.a\.startAfter\[0\]: no action "bee"/],
  ],
  [
    "a circle",
    { actions: { a: { ...cut, startAfter: ["b"] }, b: { waitSeconds: 1, startAfter: ["a"] } } },
    [/the actions wait for each other: a → b → a/],
  ],
  [
    "ports of icmp",
    { actions: { a: { ...cut, target: { link: "app", flow: { protocol: "icmp", sourcePorts: "80" } } } } },
    [/icmp has no ports/],
  ],
  [
    "two families",
    {
      actions: {
        a: { ...cut, target: { link: "app", flow: { sourceCidr: "10.0.0.0/8", destinationCidr: "fd00::/8" } } },
      },
    },
    [/different families/],
  ],
  [
    "too wide a blast",
    { actions: { a: { ...cut, target: { machine: "*" } } } },
    [/blastRadius\.machines: hits 8 of 8 machines .* at most 4 allowed/],
  ],
  [
    "too many links",
    { actions: { a: { ...cut, target: { link: "app-*/eth0" } } }, blastRadius: { links: 1 } },
    [/blastRadius\.links: hits 2 links/],
  ],
  [
    "too long a fault",
    { actions: { a: { ...cut, durationSeconds: 601 } } },
    [/actions\.a: lasts 601 s, at most 600 s/],
  ],
  [
    "an unknown signal",
    { actions: { a: cut }, stopConditions: [{ signal: "app.erors", above: 1 }] },
    [/no signal "app\.erors".*did you mean "app\.errors"\?/],
  ],
  [
    "a condition without threshold",
    { actions: { a: cut }, stopConditions: [{ signal: "app.errors" }] },
    [/set exactly one of `above` and `below`/],
  ],
  [
    "two schedules",
    { actions: { a: cut }, schedule: { cron: "0 3 * * *", rate: "1 day" } },
    [/set exactly one of `cron` and `rate`/],
  ],
  [
    "no schedule that exists",
    { actions: { a: cut }, schedule: { rate: "often", timeZone: "Mars/Base" } },
    [/"often" is not a rate/, /no time zone "Mars\/Base"/],
  ],
];

describe("an experiment", () => {
  it("is accepted when it is right", () => {
    const experiment: Experiment = {
      actions: { a: cut, b: { waitSeconds: 5, startAfter: ["a"] } },
      hypothesis: { probes: [{ name: "ok", signal: "app.errors", tolerance: { maximum: 0.1 } }] },
      schedule: { cron: "0 3 * * 1-5", timeZone: "Europe/Berlin" },
    };
    assert.deepEqual(experimentProblems(experiment), []);
  });

  for (const [what, experiment, expected] of experiments) {
    it(`is refused with ${what}`, () => assertProblems(experimentProblems(experiment), expected));
  }

  it("is refused with a name that cannot be a file's", () => {
    assertProblems(experimentProblems({ actions: { a: cut } }, "../x"), [/^name: "\.\.\/x" is not a name/]);
  });

  it("has a JSON Schema for other tools", () => {
    const { properties } = experimentJsonSchema() as {
      properties: { actions: { additionalProperties: { properties: Record<string, { properties: object }> } } };
    };
    const action = properties.actions.additionalProperties.properties;
    for (const way of ["egress", "ingress"]) assert.ok("delayMilliseconds" in action[way]!.properties);
  });
});

const mirrors: [string, unknown, RegExp[]][] = [
  ["percent 101", { percent: 101 }, [/^percent: 101 is too large; at most 100/]],
  ["percent NaN", { percent: NaN }, [/^percent: NaN is not a number/]],
  ["a negative percent", { percent: -1 }, [/^percent: -1 is too small/]],
  ["an unknown way to sample", { sampleBy: "flows" }, [/^sampleBy: .*did you mean "flow"\?/]],
  ["nothing included", { include: [] }, [/^include: an empty list copies nothing/]],
  [
    "a range that is none",
    { include: [{ sourceCidr: "10.0.0.300/8" }] },
    [/include\[0\]\.sourceCidr: "10\.0\.0\.300\/8" is not an address range/],
  ],
  [
    "a range with no machine",
    { exclude: [{ destinationCidr: "192.0.2.0/24" }] },
    [/no machine of the topology has an address in 192\.0\.2\.0\/24/],
  ],
  [
    "two families",
    { include: [{ sourceCidr: "10.0.0.0/8", destinationCidr: "fd00:20::/48" }] },
    [/different families/],
  ],
  [
    "bad ports",
    { include: [{ destinationPorts: ["http"] }] },
    [/include\[0\]\.destinationPorts\[0\]: "http" is not a port/],
  ],
  ["icmp", { include: [{ protocol: "icmp" }] }, [/icmp is not replayed/]],
  ["a pattern that is none", { include: [{ payloadHex: "xyz" }] }, [/payloadHex: "xyz" is not 1 to 64 bytes/]],
  [
    "a server name that is none",
    { exclude: [{ serverName: "*.*.example" }] },
    [/exclude\[0\].serverName: "\*.\*.example" is/],
  ],
  [
    "a server name without TLS",
    { include: [{ serverName: "x.example", application: "postgres" }] },
    [/include\[0\].application: "postgres" has no server name; serverName is read from TLS alone/],
  ],
  [
    "a server name in QUIC",
    { include: [{ serverName: "x.example", protocol: "udp" }] },
    [
      /include\[0\].protocol: serverName is read from TLS over TCP; QUIC is not read: leave protocol out or make it tcp/,
    ],
  ],
  [
    "an application that is not recognised, or not in datagrams",
    { include: [{ application: "reds" }], exclude: [{ application: "ssh", protocol: "udp" }] },
    [
      /include\[0\].application: no signature "reds".*did you mean "redis"/,
      /exclude\[0\].protocol: "ssh" is looked for/,
    ],
  ],
  ["an offset of nothing", { include: [{ payloadOffset: 3 }] }, [/payloadOffset: means nothing without payloadHex/]],
];

describe("a mirror", () => {
  it("is accepted when it is right", () => {
    assert.deepEqual(validateMirror({ percent: 0.5, exclude: [{ sourceCidr: "203.0.113.0/24" }] }, topology), []);
  });

  for (const [what, settings, expected] of mirrors) {
    it(`is refused with ${what}`, () =>
      assertProblems(
        validateMirror(settings, topology).map(({ path, reason }) => `${path}: ${reason}`),
        expected,
      ));
  }

  it("is refused where nothing is an edge", () => {
    const inner = { ...topology, services: [] };
    assert.match(validateMirror({}, inner)[0]!.reason, /no service of the topology has `edge: true`/);
  });
});

describe("a monitor", () => {
  it("is refused with every problem at once", () => {
    const settings = {
      signals: ["app.latency"],
      alarms: [
        { name: "a", signal: "machine.cpu", target: "wb-1", above: 1 },
        { name: "a", signal: "machine.cpu", above: 1, below: 2 },
      ],
      notify: ["mailto:me"],
    };
    assertProblems(
      validateMonitor(settings, topology).map(({ path, reason }) => `${path}: ${reason}`),
      [
        /^signals\[0\]: no signal "app\.latency"/,
        /alarms\[0\]\.target: .*did you mean "web-1"/,
        /alarms\[1\]\.name: "a" is taken/,
        /alarms\[1\]: set exactly one/,
        /notify\[0\]/,
      ],
    );
  });
});
