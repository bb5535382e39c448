import assert from "node:assert/strict";

import type { Experiment, ExperimentAction } from "../../../../components/experiment";
import type { Topology } from "../../../../components/topology";
import { smallAws, threeZoneAws } from "../../../support/awsTopologies";
import { type Rest, one, refusals } from "./planning";

describe("the plan of an experiment on AWS", () => {
  const crash = (durationSeconds: number): ExperimentAction => ({
    fault: "machineCrash",
    target: { machine: "web-1" },
    durationSeconds,
  });
  const errors = { signal: "app.errors", above: 0.1 };
  const refused: [string, Partial<Experiment>, Rest, RegExp[]][] = [
    [
      "less than a minute of FIS's own actions",
      one(crash(59)),
      {},
      [/^actions\.act\.durationSeconds: aws:ec2:stop-instances takes at least 60 s, given are 59 s/],
    ],
    [
      "short waits between them",
      one({
        fault: "machineCrash",
        target: { machine: "web-1" },
        pulse: { activeSeconds: 60, dormantSeconds: 10, repeat: 2 },
      }),
      {},
      [/^actions\.act\.pulse\.dormantSeconds: a wait between actions takes at least 60 s, given are 10 s/],
    ],
    [
      "separate values on links of machines and of subnets together",
      one({
        fault: "packetLoss",
        percent: 5,
        egress: { percent: 20 },
        target: { link: "*" },
        durationSeconds: 60,
      }),
      {},
      [
        /^actions\.act\.target\.link: matches links of machines and of subnets.*make one action for the machines/,
        /no machine in public-a/,
        /no machine in public-b/,
      ],
    ],
    [
      "values of a direction that are not of the kind",
      one({
        fault: "latency",
        delayMilliseconds: 5,
        egress: { percent: 5 },
        target: { machine: "web-1" },
        durationSeconds: 60,
      }),
      {},
      [/^actions\.act\.egress\.percent: latency takes no percent/],
    ],
    [
      "probe packets where FIS acts by itself",
      one({ fault: "blackhole", target: { link: "private-a" }, durationSeconds: 60, probePackets: true }),
      {},
      [/^actions\.act\.probePackets: FIS does this by itself.*aim at the machines' own links/],
    ],
    [
      "probe packets to a VPC's router, which does not answer",
      one({ fault: "packetLoss", percent: 5, target: { machine: "web-1" }, durationSeconds: 60, probePackets: true }),
      {},
      [/^actions\.act\.probeAddresses: missing; nobody is known to answer/],
    ],
    ["short waits", one({ waitSeconds: 5 }), {}, [/^actions\.act\.waitSeconds: a wait takes at least 60 s/]],
    [
      "more than twelve hours",
      { ...one({ ...crash(50_000), fault: "blackhole" }), blastRadius: { percent: 100, durationSeconds: 1e5 } },
      {},
      [/^actions\.act: lasts 50000 s; FIS ends every action after 43200 s/],
    ],
    [
      "changes",
      one({ change: { machine: "web-1", cpus: 1 } }),
      {},
      [/^actions\.act\.change: FIS cannot change machines; .*pulumi up/],
    ],
    [
      "another image",
      one({ change: { machine: "web-1", image: "/var/lib/images/web-2" } }),
      {},
      [
        /^actions\.act\.change: FIS cannot change machines, and an instance gets another image only by being replaced; /,
      ],
    ],
    [
      "more than five stop conditions, the halt's among them",
      { ...one(crash(60)), stopConditions: [errors, errors, errors] },
      { guards: 2 },
      [/^stopConditions: 3 conditions and 2 guard alarms; FIS takes 5 alarms/],
    ],
    [
      "more than ten actions at once",
      { actions: Object.fromEntries(Array.from({ length: 11 }, (_, index) => [`a${index}`, crash(60)])) },
      {},
      [/^actions: up to 11 actions would run at once, FIS allows 10/],
    ],
    [
      "more than twenty actions that belong together",
      {
        actions: Object.fromEntries(
          Array.from({ length: 22 }, (_, index) => [
            `a${index}`,
            { ...crash(60), startAfter: index < 2 ? [] : [`a${index - 2}`] },
          ]),
        ),
      },
      {},
      [/^actions: need 22 actions of FIS that cannot be run one part after the other; a template takes 20/],
    ],
    [
      "a signal of machines without a machine",
      { ...one(crash(60)), stopConditions: [{ signal: "machine.cpu", above: 90 }] },
      {},
      [/^stopConditions\[0\]\.target: machine\.cpu is read of machines; name one/],
    ],
    [
      "more machines than an alarm takes metrics",
      {
        ...one({ ...crash(60), target: { machine: "web-a-1" } }),
        stopConditions: [{ signal: "machine.cpu", target: "*", above: 90 }],
      },
      { topology: threeZoneAws },
      [/^stopConditions\[0\]\.target: needs 60 metrics of 60 machines, and an alarm takes 10/],
    ],
    [
      "a side that a signal does not have",
      { ...one(crash(60)), stopConditions: [{ signal: "replay.lag", side: "live", above: 9 }] },
      {},
      [/^stopConditions\[0\]\.side: replay\.lag has no live side/],
    ],
    [
      "names that are too long for FIS",
      { actions: { ["a".repeat(60)]: { fault: "machineHang", target: { machine: "web-*" }, durationSeconds: 60 } } },
      {},
      [/has 66 characters in FIS, at most 64/, /has 66 characters/],
    ],
    [
      "runs that would meet",
      { ...one(crash(900)), schedule: { rate: "10 minutes" } },
      { repetitions: 2 },
      [/^schedule\.rate: starts every 600 s, but a run takes up to 1800 s/],
    ],
    [
      "Windows, unless FIS does it by itself",
      one({ fault: "latency", delayMilliseconds: 5, target: { machine: "web-1" }, durationSeconds: 60 }),
      { topology: windows() },
      [/^actions\.act\.target: web-1 run Windows/],
    ],
    [
      "what the compiler refuses",
      one({ fault: "dnsFailure", names: ["*.internal"], target: { machine: "web-1" }, durationSeconds: 60 }),
      {},
      [/^actions\.act\.names\[0\]: "\*\.internal": the kernel compares whole names/],
    ],
    [
      "wrong faults of AWS's own",
      {},
      {
        awsActions: {
          a: { fault: "endpointDown", endpoint: "ssm", durationSeconds: 9 },
          b: { fault: "diskLatency", machine: "wbe-1", percent: 200 },
          c: { fault: "x" as "endpointDown", startAfter: ["d"] },
        },
      },
      [
        /^awsActions\.a\.endpoint: ssm carries the experiments themselves/,
        /^awsActions\.a\.durationSeconds: endpointDown takes at least 60 s/,
        /^awsActions\.b\.delayMilliseconds: missing/,
        /^awsActions\.b\.durationSeconds: missing/,
        /^awsActions\.b\.machine: no machine of the shadow matches "wbe-1"/,
        /^awsActions\.b\.percent: 200 is not allowed/,
        /^awsActions\.c\.fault: unknown fault "x"/,
        /^awsActions\.c\.startAfter\[0\]: no action "d"/,
      ],
    ],
    [
      "wrong faults of AWS's own API and capacity, all at once",
      {},
      {
        awsActions: {
          a: { fault: "apiThrottling", roles: [], operations: [], percent: 0.5, durationSeconds: 30 },
          b: {
            fault: "apiUnavailable",
            api: "s3" as "ec2",
            operations: ["Describe*", "RunInstances", "RunInstances"],
            roles: ["arn:aws:iam::1:role/orders", ...["r1", "r2", "r3", "r4"]],
            durationSeconds: 60,
          },
          c: { fault: "apiNoCapacity", zones: ["eu-central-1a"], autoScalingGroup: "web", durationSeconds: 60 },
          d: { fault: "groupNoCapacity", autoScalingGroup: "wbe", durationSeconds: 60 },
          e: {
            fault: "apiInternalError",
            operations: ["DescribeInstances"],
            roles: ["r1", "r2", "r3", "r4", "r5", "r6"],
            machine: "web-1",
            durationSeconds: 60,
          },
          f: { fault: "groupNoCapacity" },
        },
      },
      [
        /^awsActions\.a\.roles: names nothing; name at least one role/,
        /^awsActions\.a\.operations: names nothing; name at least one call/,
        /^awsActions\.a\.percent: 0\.5 is not allowed; allowed is whole percents from 1 to 100/,
        /^awsActions\.a\.durationSeconds: apiThrottling takes at least 60 s/,
        /^awsActions\.b\.roles\[0\]: "arn:aws:iam::1:role\/orders" is no name of a role; .* only roles below the shadow's path/,
        /^awsActions\.b\.api: "s3" is not allowed; allowed are ec2, kinesis/,
        /^awsActions\.b\.operations\[2\]: "RunInstances" is named twice/,
        /^awsActions\.b\.operations\[0\]: "Describe\*" is no call of an API/,
        /^awsActions\.c\.autoScalingGroup: apiNoCapacity takes no autoScalingGroup/,
        /^awsActions\.c\.autoScalingGroup: no Auto Scaling group of the shadow matches "web"; .* autoScalingGroups of the network/,
        /^awsActions\.c\.zones\[0\]: "eu-central-1a" is no zone of the shadow; there are euc1-az2, euc1-az3/,
        /^awsActions\.d\.autoScalingGroup: no Auto Scaling group of the shadow matches "wbe"/,
        /^awsActions\.e\.machine: apiInternalError takes no machine/,
        /^awsActions\.e\.roles: names 6, FIS takes 5 by their ARNs; write several actions/,
        /^awsActions\.f\.autoScalingGroup: missing; groupNoCapacity needs it/,
        /^awsActions\.f\.durationSeconds: missing/,
      ],
    ],
    [
      "all machines behind a role, and those of a group, where the blast radius allows fewer",
      { blastRadius: { percent: 20 } },
      { awsActions: { act: { fault: "apiNoCapacity", durationSeconds: 60 } } },
      [/^blastRadius\.machines: hits 3 of 3 machines/],
    ],
    [
      "the machines of a group, where the blast radius allows fewer",
      { blastRadius: { percent: 20 } },
      {
        topology: threeZoneAws,
        awsActions: { act: { fault: "groupNoCapacity", autoScalingGroup: "web", durationSeconds: 60 } },
      },
      [/^blastRadius\.machines: hits 24 of 60 machines/],
    ],
    [
      "more machines than the blast radius allows, those of AWS's own faults among them",
      { ...one(crash(60)), blastRadius: { percent: 50 } },
      { awsActions: { again: { fault: "machineReboot", machine: "*" } } },
      [/^blastRadius\.machines: hits 3 of 3 machines/],
    ],
    [
      "wrong arguments, all at once and beside the rest",
      one({ fault: "linkDown", target: { machine: "nobody" }, durationSeconds: 60 }),
      { repetitions: 0, workloadGroup: "../x y", logRetentionDays: 2 },
      [
        /^actions\.act\.target\.machine: no machine/,
        /^repetitions: 0 is not allowed/,
        /^workloadGroup: "\.\.\/x y" is no control group/,
        /^logRetentionDays: 2 is not allowed/,
      ],
    ],
  ];
  describe("refuses", () => {
    for (const [name, experiment, rest, expected] of refused) {
      it(name, () => {
        const found = refusals(experiment, rest);
        assert.equal(found.length, expected.length, found.join("\n"));
        expected.forEach((pattern, index) => assert.match(found[index]!, pattern));
      });
    }
  });
});

function windows(): Topology {
  const topology = structuredClone(smallAws);
  topology.machines[0]!.aws!.platform = "windows";
  return topology;
}
