import assert from "node:assert/strict";

import type { AwsFaultAction } from "../../../../components/aws/experiment/awsActions";
import type { PlannedTemplate } from "../../../../components/aws/experiment/model";
import type { Experiment } from "../../../../components/experiment";
import { smallAws, threeZoneAws } from "../../../support/awsTopologies";
import { type Rest, ids, planOf, planned } from "./planning";

describe("the plan of what only AWS can break", () => {
  it("as actions beside the others, in the asked order", () => {
    const rest: Rest = {
      awsActions: {
        slowDisk: {
          fault: "diskLatency",
          machine: "app-1",
          delayMilliseconds: 50,
          percent: 30,
          durationSeconds: 30,
          startAfter: ["cut"],
        },
        noS3: { fault: "endpointDown", endpoint: "s3", durationSeconds: 120 },
        again: { fault: "machineReboot", machine: "web-*", startAfter: ["slowDisk"] },
      },
    };
    const experiment: Partial<Experiment> = {
      actions: { cut: { fault: "linkDown", target: { link: "private-b" }, durationSeconds: 60 } },
    };
    assert.deepEqual(ids(experiment, rest), [
      "cut aws:network:disrupt-connectivity",
      "noS3 aws:network:disrupt-vpc-endpoint",
      "slowDisk aws:ebs:volume-io-latency",
      "again aws:ec2:reboot-instances",
    ]);
    const alone = planned({}, { awsActions: { noS3: rest.awsActions!.noS3! } });
    assert.deepEqual(alone.problems, []);
  });

  const only = (action: AwsFaultAction, topology = smallAws) => {
    const plan = planOf({}, { awsActions: { act: action }, topology });
    const [{ actions, targets }] = plan.templates as [PlannedTemplate];
    return { action: actions[0]!, target: targets[0]!, plan };
  };

  it("as errors of AWS's API, for the machines' role or for roles of the shadow by name", () => {
    const kinds = { apiInternalError: "internal", apiThrottling: "throttle", apiUnavailable: "unavailable" } as const;
    for (const [fault, id] of Object.entries(kinds) as [keyof typeof kinds, string][]) {
      const { action, target, plan } = only({ fault, operations: ["DescribeInstances"], durationSeconds: 90 });
      assert.equal(action.actionId, `aws:fis:inject-api-${id}-error`);
      assert.deepEqual(action.parameters, {
        duration: "PT90S",
        operations: "DescribeInstances",
        percentage: "100",
        service: "ec2",
      });
      assert.deepEqual(action.target, { key: "Roles", name: "act" });
      assert.deepEqual([target.resourceType, target.references], ["aws:iam:role", [{ kind: "machineRole", name: "" }]]);
      assert.equal(action.seconds, 90);
      assert.match(plan.notes[0]!, new RegExp(`^${fault}: the machines' own role may make none of these calls`));
    }
    const { action, target, plan } = only({
      fault: "apiThrottling",
      api: "kinesis",
      operations: ["GetRecords", "PutRecord"],
      percent: 25,
      roles: ["reader", "writer"],
      durationSeconds: 60,
    });
    assert.deepEqual(action.parameters, {
      duration: "PT1M",
      operations: "GetRecords,PutRecord",
      percentage: "25",
      service: "kinesis",
    });
    assert.deepEqual(
      target.references,
      ["reader", "writer"].map((name) => ({ kind: "role", name })),
    );
    assert.deepEqual(plan.notes, []);
  });

  it("as missing capacity, in all zones or some, for roles and for Auto Scaling groups", () => {
    const api = only({ fault: "apiNoCapacity", durationSeconds: 300 });
    assert.equal(api.action.actionId, "aws:ec2:api-insufficient-instance-capacity-error");
    assert.deepEqual(api.action.parameters, {
      availabilityZoneIdentifiers: "euc1-az2,euc1-az3",
      duration: "PT5M",
      percentage: "100",
    });
    assert.deepEqual(api.target.references, [{ kind: "machineRole", name: "" }]);
    const group = only(
      { fault: "groupNoCapacity", autoScalingGroup: "w*", zones: ["euc1-az2"], percent: 50, durationSeconds: 60 },
      threeZoneAws,
    );
    assert.equal(group.action.actionId, "aws:ec2:asg-insufficient-instance-capacity-error");
    assert.deepEqual(group.action.parameters, {
      availabilityZoneIdentifiers: "euc1-az2",
      duration: "PT1M",
      percentage: "50",
    });
    assert.deepEqual(group.action.target, { key: "AutoScalingGroups", name: "act" });
    assert.deepEqual(
      [group.target.resourceType, group.target.references],
      ["aws:ec2:autoscaling-group", [{ kind: "autoScalingGroup", name: "web" }]],
    );
  });
});
