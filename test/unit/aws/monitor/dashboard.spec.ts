import assert from "node:assert/strict";

import {
  type DashboardSettings,
  allSignals,
  dashboardBody,
  dashboardLimits,
} from "../../../../components/aws/monitor/dashboard";
import type { Topology } from "../../../../components/topology";
import { shadowOf } from "../../../support/awsShadow";
import { smallAws, threeZoneAws } from "../../../support/awsTopologies";

function body(topology: Topology, part: Partial<DashboardSettings> = {}) {
  const { machineIds } = shadowOf(topology);
  return dashboardBody({
    region: "eu-central-1",
    shadowName: "shop-shadow",
    machineIds,
    topology,
    signals: allSignals,
    bands: [],
    ...part,
  });
}

const metricsOf = (properties: Record<string, unknown>) => properties.metrics as unknown[][];

function large(machines: number): Topology {
  const topology = structuredClone(threeZoneAws);
  const [model] = topology.machines;
  topology.machines = Array.from({ length: machines }, (_, index) => ({ ...model!, name: `web-${index}` }));
  return topology;
}

describe("the dashboard of a shadow", () => {
  it("draws live beside shadow, first of the service, then of each machine", () => {
    const { widgets } = body(smallAws, { signals: ["app.errors", "machine.cpu"] });
    assert.deepEqual(
      widgets.map(({ type, y }) => `${type} ${y}`),
      ["text 0", "metric 2", "text 8", "metric 9"],
    );
    const options = (side: string, colour: string) => ({ label: side, stat: "Average", color: colour });
    assert.deepEqual(metricsOf(widgets[1]!.properties), [
      ["Shadownet", "LiveErrors", "Shadow", "shop-shadow", options("live", "#1f77b4")],
      ["Shadownet", "ShadowErrors", "Shadow", "shop-shadow", options("shadow", "#d62728")],
    ]);
    assert.equal(metricsOf(widgets[3]!.properties).length, 2 * smallAws.machines.length);
  });

  it("keeps within 500 widgets of 500 metrics for any number of machines, and leaves no machine out", () => {
    for (const machines of [1, 60, 500, 2000]) {
      const topology = large(machines);
      const { widgets } = body(topology);
      assert.ok(widgets.length <= dashboardLimits.widgets, `${widgets.length} widgets`);
      const graphs = widgets.filter(({ type }) => type === "metric");
      for (const { properties } of graphs) assert.ok(metricsOf(properties).length <= dashboardLimits.metrics);
      const drawn = graphs
        .flatMap(({ properties }) => metricsOf(properties))
        .filter(([, metric]) => metric === "CPUUtilization");
      assert.equal(drawn.length, 2 * machines);
    }
  });

  it("puts no widget over another", () => {
    const { widgets } = body(threeZoneAws);
    const cells = widgets.flatMap(({ x, y, width, height }) =>
      Array.from({ length: width * height }, (_, index) => `${x + (index % width)},${y + Math.floor(index / width)}`),
    );
    assert.equal(new Set(cells).size, cells.length);
    assert.ok(widgets.every(({ x, width }) => x + width <= 24));
  });

  it("draws past experiments as bands and running ones by their metric", () => {
    const bands = [{ label: "dbSlow", start: "2026-01-15T10:00:00Z", end: "2026-01-15T10:05:00Z" }];
    const running = { namespace: "Shadownet/shop-shadow", metricName: "ExperimentRunning" };
    for (const { type, properties } of body(smallAws, { bands, running }).widgets) {
      if (type === "text") continue;
      assert.deepEqual(properties.annotations, {
        vertical: [
          [
            { label: "dbSlow", value: "2026-01-15T10:00:00Z", color: "#ffbb78" },
            { label: "end", value: "2026-01-15T10:05:00Z" },
          ],
        ],
      });
      assert.deepEqual(metricsOf(properties).at(-2), [
        { expression: "FILL(running, REPEAT)", label: "experiment", yAxis: "right", color: "#ffbb78" },
      ]);
    }
  });

  it("reads production's metrics from its own account when it is another one", () => {
    const { widgets } = body(smallAws, { signals: ["machine.cpu"], productionAccountId: "111122223333" });
    const lines = metricsOf(widgets.at(-1)!.properties).map(
      (line) => line.at(-1) as { label: string; accountId?: string },
    );
    for (const { label, accountId } of lines)
      assert.equal(accountId, label.endsWith("live") ? "111122223333" : undefined);
  });
});
