import assert from "node:assert/strict";
import { join } from "node:path";

import { AwsFaultExperiment } from "../../components/aws/experiment";
import { AwsMonitor } from "../../components/aws/monitor";
import type { Topology } from "../../components/topology";
import { loadRules } from "../../policies/pack";
import { shadowOf } from "../support/awsShadow";
import { smallAws } from "../support/awsTopologies";
import { type StackResource, violations } from "../support/policyStack";
import { recordResources } from "../support/awsMocks";
import { compliantStack } from "./compliantStack";

const folder = join(__dirname, "..", "..", "policies");
const rules = ["isolation", "faults"].flatMap((pack) => loadRules(join(folder, pack)));
const config = {
  "isolation-restrict-monitoring-links": { allowedSinks: ["arn:aws:oam:eu-central-1:111122223333:sink/a"] },
  "faults-restrict-accounts": { shadowAccounts: ["210987654321"] },
  "faults-restrict-blast-radius": { maximumPercent: 100, maximumDurationSeconds: 3600 },
};
const shadow = shadowOf(smallAws, "shop");
/** The small topology with a group of its web servers. */
const grouped: Topology = {
  ...smallAws,
  aws: { ...smallAws.aws!, autoScalingGroups: [{ name: "web", machines: ["web-1", "web-2"] }] },
};

/** What the components register, in a stack that has the rest of a shadow; inputs made of the shadow come from its subnet. */
async function stackOf(program: () => unknown): Promise<StackResource[]> {
  const recorded = await recordResources(program);
  const named = (type: string): string[] => recorded.filter((one) => one.type === type).map(({ name }) => name);
  const documents = named("aws:ssm/document:Document");
  return recorded.map(({ type, name, inputs }) => {
    const role = named("aws:iam/role:Role").filter((own) => own.endsWith("drill-role"));
    const isTemplate = type === "aws:fis/experimentTemplate:ExperimentTemplate";
    return {
      type,
      name,
      props: inputs,
      ...(isTemplate ? { from: { actions: documents, roleArn: role, targets: ["front"] } } : {}),
    };
  });
}

describe("the policy packs, over what experiments and monitor of AWS register", function () {
  this.timeout(60_000);

  it("have nothing against an experiment of every kind, repeated and by the clock", async () => {
    const stack = await stackOf(
      () =>
        new AwsFaultExperiment("drill", {
          shadow: shadowOf(grouped, "shop"),
          topology: grouped,
          actions: {
            slow: { fault: "latency", delayMilliseconds: 200, target: { machine: "web-1" }, durationSeconds: 120 },
            down: { fault: "linkDown", target: { link: "private-b" }, durationSeconds: 60, startAfter: ["slow"] },
            crash: { fault: "machineCrash", target: { machine: "web-*" }, durationSeconds: 60, startAfter: ["down"] },
            hang: { fault: "machineHang", target: { machine: "web-2" }, durationSeconds: 60, startAfter: ["crash"] },
          },
          awsActions: {
            noStore: { fault: "endpointDown", endpoint: "s3", durationSeconds: 60, startAfter: ["hang"] },
            again: { fault: "machineReboot", machine: "web-1", startAfter: ["noStore"] },
            throttled: { fault: "apiThrottling", operations: ["DescribeInstances"], durationSeconds: 60 },
            noStart: { fault: "apiNoCapacity", roles: ["worker"], durationSeconds: 60, startAfter: ["throttled"] },
            noRefill: { fault: "groupNoCapacity", autoScalingGroup: "web", durationSeconds: 60 },
            slowDisk: { fault: "diskLatency", machine: "web-1", delayMilliseconds: 20, durationSeconds: 60 },
          },
          blastRadius: { percent: 100 },
          stopConditions: [{ signal: "app.errors", above: 0.2 }],
          schedule: { cron: "0 3 * * *" },
          repetitions: 2,
          reportDashboardArn: "arn:aws:cloudwatch::222233334444:dashboard/shop",
        }),
    );
    assert.deepEqual(await violations(rules, [...compliantStack, ...stack], config), []);
  });

  it("have nothing against a monitor with receivers and a dashboard", async () => {
    const stack = await stackOf(
      () =>
        new AwsMonitor("watch", {
          shadow,
          topology: smallAws,
          alarms: [{ name: "cpu", signal: "machine.cpu", target: "web-*", side: "gap", above: 0.3 }],
          notify: ["mailto:oncall@example.com"],
          experimentTemplateIds: ["EXT1"],
        }),
    );
    assert.deepEqual(await violations(rules, [...compliantStack, ...stack], config), []);
  });

  it("find a template that lost its tag, its VPC or its alarm, so that the two tests above can fail", async () => {
    const stack = await stackOf(
      () =>
        new AwsFaultExperiment("drill", {
          shadow,
          topology: smallAws,
          actions: {
            slow: { fault: "latency", delayMilliseconds: 200, target: { machine: "app-1" }, durationSeconds: 60 },
          },
          blastRadius: { percent: 50 },
        }),
    );
    const template = stack.find(({ type }) => type === "aws:fis/experimentTemplate:ExperimentTemplate")!;
    const [target] = template.props.targets as Record<string, unknown>[];
    const changes = [
      { targets: [{ ...target, filters: [] }] },
      { targets: [{ ...target, resourceTags: [] }] },
      { stopConditions: [] },
      { tags: {} },
    ];
    for (const change of changes) {
      const changed = stack.map((one) => (one === template ? { ...one, props: { ...one.props, ...change } } : one));
      assert.equal(
        (await violations(rules, [...compliantStack, ...changed], config)).length,
        1,
        JSON.stringify(change),
      );
    }
  });
});
