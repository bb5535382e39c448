import assert from "node:assert/strict";

import { gatewayMetricOf } from "../../../components/aws/metrics";
import { mirrorObstacle } from "../../../components/aws/mirrorSupport";
import { Signal } from "../../../components/monitor";

describe("which instance types can be mirrored", () => {
  it("takes the listed families", () => {
    for (const type of ["m5.large", "m6i.xlarge", "t3.micro", "c7i-flex.large", "x2idn.16xlarge", "mac2.metal"]) {
      assert.equal(mirrorObstacle(type), undefined, type);
    }
  });

  it("refuses families that are not listed, and bare metal", () => {
    for (const type of [
      "t2.micro",
      "m8g.large",
      "c8g.large",
      "r8g.large",
      "c7gn.large",
      "p6.48xlarge",
      "trn2.48xlarge",
    ]) {
      assert.match(mirrorObstacle(type) ?? "", /is not among those/, type);
    }
    assert.match(mirrorObstacle("m5.metal") ?? "", /bare metal/);
  });

  it("believes the user about a type or a family", () => {
    assert.equal(mirrorObstacle("m8g.large", ["m8g"]), undefined);
    assert.equal(mirrorObstacle("m5.metal", ["m5.metal"]), undefined);
    assert.notEqual(mirrorObstacle("m8g.large", ["m8g.xlarge"]), undefined);
  });
});

describe("metrics of gateways", () => {
  it("has one for every signal that is not a machine's, and none for machines", () => {
    for (const signal of Object.values(Signal)) {
      const known = gatewayMetricOf(signal, "shadow") !== undefined;
      assert.equal(known, !signal.startsWith("machine."), signal);
    }
  });

  it("has what both sides have for both sides", () => {
    const live = gatewayMetricOf("app.latency.p95", "live");
    assert.deepEqual(live, { metricName: "LiveLatency", statistic: "p95" });
    assert.equal(gatewayMetricOf("replay.coverage", "live"), undefined);
  });
});
