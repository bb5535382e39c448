import assert from "node:assert/strict";

import { seenFromTarget } from "../../../../components/aws/driver/proof";
import {
  type ExperimentAction,
  FaultKind,
  type FaultParameters,
  type FaultTarget,
} from "../../../../components/experiment";
import type { FaultPlan } from "../../../../components/runtime/faults/plan";
import type { Topology } from "../../../../components/topology";
import { smallAws } from "../../../support/awsTopologies";
import { ids, one, planOf, planned } from "./planning";

const parameters: Record<FaultKind, FaultParameters> = {
  linkDown: {},
  blackhole: {},
  latency: { delayMilliseconds: 100 },
  packetLoss: { percent: 5 },
  corruption: { percent: 1 },
  payloadCorruption: { percent: 1 },
  duplicate: { percent: 1 },
  reorder: { percent: 1 },
  bandwidth: { bitsPerSecond: 1e6 },
  machineCrash: {},
  machineHang: {},
  cpuExhaustion: { sharePercent: 80 },
  memoryExhaustion: { sharePercent: 50 },
  diskExhaustion: { sharePercent: 50 },
  ioExhaustion: { sharePercent: 50 },
  processKill: { processPattern: "nginx" },
  dnsFailure: { names: ["db.internal"] },
};
const targets: Record<string, FaultTarget> = {
  machine: { machine: "web-1" },
  link: { link: "web-1/eth0" },
  subnet: { link: "private-a" },
  flow: { machine: "web-1", flow: { protocol: "tcp", destinationPorts: "5432" } },
};
const own: Partial<Record<string, string>> = {
  "machineCrash machine": "aws:ec2:stop-instances",
  "machineHang machine": "aws:ebs:pause-volume-io",
  "linkDown subnet": "aws:network:disrupt-connectivity",
  "blackhole subnet": "aws:network:disrupt-connectivity",
};

describe("the plan of an experiment on AWS", () => {
  describe("maps each fault and target to FIS's own action or to a document", () => {
    for (const kind of Object.values(FaultKind)) {
      for (const [name, target] of Object.entries(targets)) {
        const { plan, problems } = planned(one({ fault: kind, target, durationSeconds: 120, ...parameters[kind] }));
        const expected = own[`${kind} ${name}`];
        if (problems.length > 0) {
          it(`${kind} on a ${name} makes no sense`, () =>
            assert.deepEqual(
              problems.map(({ reason }) => /makes no sense on a (link|flow)/.test(reason)),
              [true],
            ));
        } else {
          it(`${kind} on a ${name}: ${expected ?? "a document"}`, () => {
            const actions = plan.templates.flatMap((template) => template.actions);
            assert.deepEqual(
              [...new Set(actions.map(({ actionId }) => actionId))],
              [expected ?? "aws:ssm:send-command"],
            );
            assert.equal(plan.documents.length, expected === undefined ? 1 : 0);
          });
        }
      }
    }
  });

  it("pauses the disks for all of the speed, and takes a share of it by a document", () => {
    const fault = { fault: "ioExhaustion", target: { machine: "web-1" }, durationSeconds: 60 } as const;
    assert.deepEqual(ids(one({ ...fault, sharePercent: 100 })), ["act aws:ebs:pause-volume-io"]);
    assert.deepEqual(ids(one({ ...fault, sharePercent: 99 })), ["act aws:ssm:send-command"]);
  });

  it("chooses one machine by its tag and several by their addresses", () => {
    const target = (machine: string) =>
      planOf(one({ fault: "machineCrash", target: { machine }, durationSeconds: 60 })).templates[0]!.targets;
    const running = { path: "State.Name", values: ["running"] };
    assert.deepEqual(target("web-1"), [
      {
        name: "act",
        resourceType: "aws:ec2:instance",
        tags: { "shadownet:machine": "web-1" },
        filters: [running],
        references: [],
      },
    ]);
    assert.deepEqual(target("web-*")[0]!.filters, [
      running,
      { path: "PrivateIpAddress", values: ["10.20.10.11", "10.20.11.11"] },
    ]);
  });

  it("leaves a crashed machine down when asked", () => {
    const [action] = planOf(
      one({ fault: "machineCrash", staysDown: true, target: { machine: "web-1" }, durationSeconds: 60 }),
    ).templates[0]!.actions;
    assert.deepEqual(action!.parameters, {});
  });

  it("splits more than five subnets over several targets", () => {
    const { templates } = planOf(one({ fault: "linkDown", target: { link: "*-?" }, durationSeconds: 60 }), {
      topology: manySubnets(),
    });
    assert.deepEqual(
      templates[0]!.targets.map(({ references }) => references.length),
      [5, 1],
    );
  });

  it("hits a subnet's machines where FIS cannot, lets packets inside it be, and turns the direction round", () => {
    const { documents, templates } = planOf(
      one({
        fault: "latency",
        delayMilliseconds: 50,
        direction: "egress",
        target: { link: "private-a" },
        durationSeconds: 60,
      }),
    );
    const text = documents[0]!.content.mainSteps[0]!.inputs.runCommand.join("\n");
    assert.match(text, /hook ingress device "SNDEVICE0"/);
    assert.ok(!text.includes("hook egress"));
    assert.match(text, /ip saddr 10\.20\.10\.0\/24 ip daddr 10\.20\.10\.0\/24 accept/);
    assert.deepEqual(templates[0]!.targets[0]!.filters[1], {
      path: "PrivateIpAddress",
      values: ["10.20.10.11", "10.20.10.21"],
    });
  });

  it("turns the values of the directions round for a subnet's machines, and counts them as the router sees them", () => {
    const slow = one({
      fault: "latency",
      delayMilliseconds: 50,
      egress: { delayMilliseconds: 10 },
      target: { link: "private-a" },
      durationSeconds: 60,
    });
    const text = planOf(slow).documents[0]!.content.mainSteps[0]!.inputs.runCommand.join("\n");
    // What the router sends arrives at the machines, and comes first or second as their own directions do.
    assert.deepEqual(
      [...text.matchAll(/delay (\d+)ms/g)].map(([, delay]) => delay),
      ["50", "10"],
    );
    const touched = (links: string[]) => ({ touches: { machines: [], links } }) as unknown as FaultPlan;
    const counters = { matchedEgress: 1, matchedIngress: 2 };
    assert.deepEqual(seenFromTarget(touched(["private-a"]), counters), { matchedIngress: 1, matchedEgress: 2 });
    assert.deepEqual(seenFromTarget(touched(["web-1/eth0"]), counters), counters);
  });

  it("leaves a subnet's black hole to FIS only when both directions are silent", () => {
    const hole = (values: Partial<ExperimentAction>) =>
      planOf(one({ fault: "blackhole", target: { link: "private-a" }, durationSeconds: 60, ...values })).templates[0]!
        .actions[0]!.actionId;
    assert.equal(hole({ egress: { mode: "drop" } }), "aws:network:disrupt-connectivity");
    assert.equal(hole({ egress: { mode: "reset" } }), "aws:ssm:send-command");
    assert.equal(
      hole({ mode: "reset", egress: { mode: "drop" }, ingress: { mode: "drop" } }),
      "aws:network:disrupt-connectivity",
    );
  });

  it("never touches the way to Systems Manager, the gateways and the instance's metadata", () => {
    const { documents } = planOf(one({ fault: "blackhole", target: { machine: "*" }, durationSeconds: 60 }));
    const text = documents[0]!.content.mainSteps[0]!.inputs.runCommand.join("\n");
    for (const rule of [
      "ip daddr 100.64.0.0/10 accept",
      "ip saddr 100.64.0.0/10 accept",
      "ip daddr 169.254.169.254/32 accept",
    ]) {
      assert.ok(text.includes(rule), rule);
    }
  });

  it("makes one document for each number of interfaces", () => {
    const topology = structuredClone(smallAws);
    topology.machines[0]!.interfaces.push({ name: "eth1", subnet: "private-b", addresses: ["10.20.11.99"] });
    const { documents, templates } = planOf(
      one({ fault: "blackhole", target: { machine: "*" }, durationSeconds: 60 }),
      { topology },
    );
    assert.deepEqual(
      documents.map(({ key }) => key),
      ["act-1nics", "act-2nics"],
    );
    assert.deepEqual(
      templates[0]!.actions.map(({ document }) => document),
      ["act-1nics", "act-2nics"],
    );
  });

  it("chains the pulses of FIS's own actions with waits, and keeps those of documents inside", () => {
    const pulse = { initialDelaySeconds: 60, activeSeconds: 90, dormantSeconds: 120, repeat: 3 };
    const chain = planOf(one({ fault: "machineCrash", target: { machine: "web-1" }, pulse })).templates[0]!.actions;
    assert.deepEqual(
      chain.map(({ name, startAfter, parameters: given }) => [name, startAfter.join(), Object.values(given).join()]),
      [
        ["act-wait1", "", "PT1M"],
        ["act-1", "act-wait1", "PT90S"],
        ["act-wait2", "act-1", "PT2M"],
        ["act-2", "act-wait2", "PT90S"],
        ["act-wait3", "act-2", "PT2M"],
        ["act-3", "act-wait3", "PT90S"],
      ],
    );
    const short = { activeSeconds: 5, dormantSeconds: 5, repeat: 12 };
    const plan = planOf(one({ fault: "blackhole", target: { machine: "web-1" }, pulse: short }));
    assert.deepEqual(
      plan.templates[0]!.actions.map(({ parameters: given }) => given),
      [{ duration: "PT3M" }],
    );
    assert.ok(plan.documents[0]!.content.mainSteps[0]!.inputs.runCommand.includes(`QUIET='0${" 500".repeat(11)}'`));
  });

  it("spreads a long pulse train over templates that run one after the other", () => {
    const pulse = { activeSeconds: 60, dormantSeconds: 60, repeat: 16 };
    const { templates } = planOf(one({ fault: "machineCrash", target: { machine: "web-1" }, pulse }));
    assert.deepEqual(
      templates.map(({ actions }) => actions.length),
      [20, 11],
    );
    assert.deepEqual(
      templates.map(({ targets: list }) => list.map(({ name }) => name)),
      [["act"], ["act"]],
    );
  });

  it("looks at the alarms first and, after the recovery, last", () => {
    const probe = { name: "fast", signal: "app.latency.p95", tolerance: { maximum: 300 } };
    const plan = planOf({
      actions: { act: { fault: "blackhole", target: { machine: "web-1" }, durationSeconds: 60 } },
      hypothesis: { probes: [probe] },
      stopConditions: [{ signal: "app.errors", above: 0.2 }],
    });
    assert.deepEqual(
      plan.templates[0]!.actions.map(({ name, startAfter, alarms }) => [name, startAfter.join(), alarms?.join()]),
      [
        ["gate-before", "", "stop-1,hypothesis-1"],
        ["act", "gate-before", undefined],
        ["gate-recovery", "act", undefined],
        ["gate-after", "gate-recovery", "stop-1,hypothesis-1"],
      ],
    );
    assert.deepEqual(plan.stop, ["halt", "stop-1"]);
    assert.ok(plan.notes.some((note) => note.startsWith("recovery is given 60 s")));
  });

  it("carries out waits, probes and run-book steps", () => {
    const plan = planOf({
      actions: {
        pause: { waitSeconds: 90 },
        check: {
          probe: { name: "ok", signal: "app.errors", tolerance: { minimum: 0, maximum: 0.1 } },
          startAfter: ["pause"],
        },
        fail: {
          command: ["systemctl", "restart", "it's"],
          target: { machine: "app-1" },
          objectiveSeconds: 20,
          startAfter: ["check"],
        },
      },
    });
    assert.deepEqual(
      plan.templates[0]!.actions.map(({ name, actionId, startAfter }) => `${name} ${actionId} ${startAfter.join()}`),
      ["pause aws:fis:wait ", "check aws:cloudwatch:assert-alarm-state pause", "fail aws:ssm:send-command check"],
    );
    const { inputs } = plan.documents[0]!.content.mainSteps[0]!;
    assert.equal(inputs.timeoutSeconds, "20");
    assert.ok(inputs.runCommand.includes(`exec systemctl restart 'it'\\''s'`));
  });

  it("reads a probe's range, of one value or of several machines, by one alarm", () => {
    const probe = (signal: string, target?: string) =>
      planOf({
        actions: { p: { probe: { name: "x", signal, target, tolerance: { minimum: 10, maximum: 30 } } } },
      }).alarms.find(({ key }) => key === "probe-p")!;
    const single = probe("app.latency.p50");
    assert.deepEqual(
      [single.queries.at(-1)!.expression, single.threshold, single.comparison],
      ["ABS(value-20)", 10, "GreaterThanThreshold"],
    );
    const several = probe("machine.cpu", "web-*");
    assert.equal(several.queries.at(-1)!.expression, "MAX([d1, d2])");
    assert.deepEqual(
      several.queries.slice(-3, -1).map(({ expression }) => expression),
      ["ABS(e1-20)", "ABS(e2-20)"],
    );
  });
});

function manySubnets(): Topology {
  const topology = structuredClone(smallAws);
  for (const [index, letter] of ["c", "d"].entries()) {
    topology.networks[0]!.subnets.push({ name: `private-${letter}`, cidr: `10.20.${20 + index}.0/24` });
  }
  return topology;
}
