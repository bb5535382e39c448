import assert from "node:assert/strict";
import { join } from "node:path";

import * as pulumi from "@pulumi/pulumi";
import { ComponentProvider } from "@pulumi/pulumi/provider/experimental";
import { getPulumiComponents } from "@pulumi/pulumi/provider/experimental/provider";

import * as library from "../../components";

interface Schema {
  name: string;
  resources: Record<string, { inputProperties: Record<string, unknown>; properties: Record<string, unknown> }>;
  types: Record<string, { properties?: Record<string, unknown>; enum?: { value: unknown }[] }>;
}

describe("the package's schema for other languages", function () {
  this.timeout(120_000);
  let schema: Schema;

  before(async () => {
    const components = getPulumiComponents(library);
    const dirname = join(__dirname, "..", "..");
    const provider = new ComponentProvider({ components, dirname, name: "shadownet" });
    schema = JSON.parse(await provider.getSchema()) as Schema;
  });

  it("has every component under its token", () => {
    const names = ["LabFaultExperiment", "LabMonitor", "LabShadowEnvironment", "LabShadowNetwork", "LabTrafficMirror"];
    const tokens = Object.keys(schema.resources).filter((token) => token.includes(":Lab"));
    assert.deepEqual(
      tokens.sort(),
      names.map((name) => `shadownet:index:${name}`),
    );
  });

  it("has every component of AWS under its token", () => {
    const names = ["AwsFaultExperiment", "AwsMonitor", "AwsShadowEnvironment", "AwsShadowNetwork", "AwsTrafficMirror"];
    const tokens = Object.keys(schema.resources).filter((token) => token.includes(":Aws"));
    assert.deepEqual(
      tokens.sort(),
      names.map((name) => `shadownet:index:${name}`),
    );
  });

  it("has the outputs that every back end has", () => {
    const outputs = (name: string): string[] =>
      Object.keys(schema.resources[`shadownet:index:${name}`]!.properties).sort();
    const network = ["fidelity", "gatewayAddress", "linkIds", "machineIds", "networkId", "subnetIds"];
    assert.deepEqual(outputs("LabShadowNetwork"), network);
    assert.deepEqual(outputs("AwsShadowNetwork"), [...network, "reference"].sort());
    assert.deepEqual(outputs("LabTrafficMirror"), ["gatewayUrl", "sessionIds"]);
    assert.deepEqual(outputs("AwsTrafficMirror"), [
      "fidelity",
      "gatewayUrl",
      "guardAlarmArn",
      "guardAlarmArns",
      "intakeParameter",
      "sessionIds",
    ]);
    const environment = ["experimentIds", "gatewayUrl", "sessionIds", ...network];
    assert.deepEqual(outputs("LabShadowEnvironment"), [...environment].sort());
    assert.deepEqual(outputs("AwsShadowEnvironment"), ["cost", ...environment].sort());
  });

  it("keeps the types of the vocabulary, enums with their values and nothing of any type", () => {
    const kinds = schema.types["shadownet:index:FaultKind"]!.enum!.map(({ value }) => value);
    assert.ok(kinds.includes("linkDown") && kinds.includes("machineCrash"));
    assert.ok("interfaces" in schema.types["shadownet:index:Machine"]!.properties!);
    assert.ok(!JSON.stringify(schema).includes("pulumi.json#/Any"), "no field has lost its type");
  });

  it("is what Pulumi loads from the package's root", () => {
    assert.equal(schema.name, "shadownet");
    assert.ok(library.LabShadowNetwork.prototype instanceof pulumi.ComponentResource);
  });
});
