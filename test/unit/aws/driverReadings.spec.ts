import assert from "node:assert/strict";

import { looseAims } from "../../../components/aws/driver/aims";
import { findingsIn } from "../../../components/aws/driver/containment";
import { mirrorStateFrom } from "../../../components/aws/driver/mirrorState";
import { countersIn } from "../../../components/aws/driver/proof";
import { notRunHere } from "../../../components/aws/driver/recordFormat";
import { seriesOf } from "../../../components/aws/driver/sampling";
import { machineTag, shadowTag } from "../../../components/aws/shadow";
import { recordOf, shadowName } from "../../support/awsShadowRecord";

describe("the AWS driver's readings", () => {
  it("say why an experiment with faults of FIS's own is not run from here", () => {
    assert.deepEqual(notRunHere({}), {});
    const { calls } = notRunHere({ onlyFis: { calls: ["throttled", "noStart"] } });
    assert.match(
      calls!,
      /^experiment "calls" has faults that FIS alone carries out \(throttled, noStart\); start its template/,
    );
  });

  it("tell what a template aims at from what is the shadow's", () => {
    const arn = "arn:aws:autoscaling:eu-central-1:123456789012:autoScalingGroup:1:autoScalingGroupName/web";
    const { shadow: plain } = recordOf("vpc-1", {});
    const shadow = { ...plain, autoScalingGroupArns: { web: arn } };
    const tags = { [shadowTag]: shadowName };
    const vpc = [{ path: "VpcId", values: ["vpc-1"] }];
    const role = (path: string): string => `arn:aws:iam::123456789012:role${path}`;
    const closed = {
      // Several machines are chosen by their addresses, and have no tag with a name.
      web: { resourceType: "aws:ec2:instance", resourceTags: tags, filters: vpc },
      disk: { resourceType: "aws:ec2:ebs-volume", resourceTags: { ...tags, [machineTag]: "web-1" } },
      calls: { resourceType: "aws:iam:role", resourceArns: [role("/shadownet/shop/machines")] },
      group: { resourceType: "aws:ec2:autoscaling-group", resourceArns: [arn] },
    };
    assert.deepEqual(looseAims(closed, shadow), []);
    const open = {
      web: { ...closed.web, filters: [{ path: "VpcId", values: ["vpc-2"] }] },
      disk: { ...closed.disk, resourceTags: { [machineTag]: "web-1" } },
      calls: { ...closed.calls, resourceArns: [role("/shadownet/shop/machines"), role("/orders")] },
      group: { ...closed.group, resourceArns: [arn.replace("/web", "/orders")] },
    };
    assert.deepEqual(looseAims(open, shadow), [
      "web lacks the shadow's VPC",
      `disk lacks the tag ${shadowTag}`,
      `calls names ${role("/orders")}`,
      `group names ${arn.replace("/web", "/orders")}`,
    ]);
  });

  it("count requests and coverage over what was published", () => {
    const at = (value: number, time = 1000): { time: number; value: number }[] => [{ time, value }];
    const state = mirrorStateFrom({ percent: 10 }, [at(200), at(150), at(0.8), at(1), at(0.05), at(0)], true, 2000);
    assert.deepEqual(state, {
      percent: 10,
      intakeOpen: true,
      problems: [],
      onWire: 200,
      replayed: 160,
      answered: 150,
      coverage: 0.8,
      lostByMirror: 10,
      unseen: 0,
    });
  });

  it("count what no gateway saw", () => {
    const at = (value: number): { time: number; value: number }[] => [{ time: 1000, value }];
    const answers = [at(200), at(150), at(0.64), at(1), at(0), at(50)];
    const { replayed, unseen, coverage } = mirrorStateFrom({ percent: 10 }, answers, true, 2000);
    assert.deepEqual([replayed, unseen, coverage], [160, 50, 0.8]);
  });

  it("say so when the gateways are silent", () => {
    const { problems, coverage } = mirrorStateFrom({ percent: 10 }, [[], [], [], [], []], true, 2000);
    assert.match(problems[0]!, /published nothing for 3 minutes/);
    assert.equal(coverage, 0);
  });

  it("understand what a probe prints, and what it could not try", () => {
    const text = "tcp 198.51.100.7 port 80|no\nicmp 198.51.100.7|missing\nname example.com|reached\n";
    assert.deepEqual(
      findingsIn("web-1", text).map(({ attempt, reached }) => [attempt, reached]),
      [
        ["tcp 198.51.100.7 port 80", false],
        ["icmp 198.51.100.7", false],
        ["name example.com", true],
      ],
    );
  });

  it("take the last counters that a script printed", () => {
    const lines =
      '{"event":"alive"}\n{"event":"effect","counters":{"matched":3}}\n{"event":"effect","counters":{"matched":9}}\n';
    assert.deepEqual(countersIn(lines), { matched: 9 });
    assert.deepEqual(countersIn("nothing"), {});
  });

  it("ask for the service's signals on both sides and for each machine's where it is known", () => {
    const series = seriesOf(recordOf("vpc-1", { "web-1": "i-1" }), 10);
    const of = (signal: string): string[] =>
      series.filter((one) => one.signal === signal).map(({ target, side }) => `${target} ${side}`);
    assert.deepEqual(of("app.latency.p95"), ["service live", "service shadow"]);
    assert.ok(of("machine.cpu").includes("web-1 shadow"));
    assert.ok(of("machine.cpu").includes("web-1 live"));
    assert.ok(!of("machine.cpu").includes("web-2 shadow"), "a machine without a clone has no shadow side");
  });
});
