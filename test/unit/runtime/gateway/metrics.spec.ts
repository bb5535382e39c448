import { strict as assert } from "node:assert";

import { metricsText } from "../../../../components/runtime/gateway/metrics";
import { bump, newStats } from "../../../../components/runtime/gateway/stats";

interface Sample {
  name: string;
  labels: Record<string, string>;
  value: number;
}

const escapes: Record<string, string> = { "\\\\": "\\", '\\"': '"', "\\n": "\n" };

/** Reads the text format as strictly as Prometheus does; throws at what it refuses. */
function parse(text: string): { types: Map<string, string>; helped: Set<string>; samples: Sample[] } {
  const types = new Map<string, string>();
  const helped = new Set<string>();
  const samples: Sample[] = [];
  for (const line of text.split("\n").slice(0, -1)) {
    const comment = /^# (HELP|TYPE) ([a-z_0-9]+) (.+)$/.exec(line);
    if (comment !== null) {
      if (comment[1] === "HELP") helped.add(comment[2]!);
      else {
        assert.ok(!types.has(comment[2]!), `${comment[2]} has one type`);
        types.set(comment[2]!, comment[3]!);
      }
      continue;
    }
    const match = /^([a-z_][a-z_0-9]*)(?:\{([a-z]+)="((?:[^"\\]|\\[\\"n])*)"\})? (\d+(?:\.\d+)?)$/.exec(line);
    assert.ok(match !== null, `"${line}" is a sample`);
    const value = match[3]?.replace(/\\[\\"n]/g, (escape) => escapes[escape]!);
    samples.push({
      name: match[1]!,
      labels: value === undefined ? {} : { [match[2]!]: value },
      value: Number(match[4]),
    });
  }
  return { types, helped, samples };
}

describe("metrics", () => {
  const stats = newStats(1_700_000_000_000);
  stats.intake.receiver = "batched";
  stats.requests.replayed = 12;
  const odd = ['a"b', "tab\there", "line\nbreak", "back\\slash", "bell\u0001", "half \ud800", "constructor"];
  for (const path of odd) bump(stats.compare.fieldPaths, path, 2);
  const { types, helped, samples } = parse(metricsText(stats));

  it("are read by a strict reader whatever the fields of JSON are called", () => {
    const paths = samples.filter(({ name }) => name === "shadownet_gateway_compare_field_paths");
    assert.deepEqual(
      paths.map(({ labels, value }) => [labels["cause"], value]),
      odd.map((path) => [path, 2]),
    );
  });

  it("each have a type and a help text", () => {
    for (const { name } of samples) {
      assert.ok(types.has(name) && helped.has(name), name);
    }
    assert.equal(types.get("shadownet_gateway_intake_packets"), "counter");
    assert.equal(types.get("shadownet_gateway_flows_open"), "gauge");
    assert.equal(types.get("shadownet_gateway_requests_replayed"), "gauge", "shedding takes requests back");
    assert.equal(types.get("shadownet_gateway_requests_answered"), "counter");
  });

  it("say a text as a label", () => {
    const receiver = samples.find(({ name }) => name === "shadownet_gateway_intake_receiver");
    assert.deepEqual(receiver, { name: "shadownet_gateway_intake_receiver", labels: { name: "batched" }, value: 1 });
  });
});
