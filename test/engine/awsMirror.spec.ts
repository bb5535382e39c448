import assert from "node:assert/strict";

import { makeAwsProject } from "../support/awsEngine";
import { smallAws } from "../support/awsTopologies";
import type { EngineProject, EngineResult } from "../support/engine";

/** A network with its mirror, whose settings are in the stack's configuration. */
const program = `
const pulumi = require("@pulumi/pulumi");
const { AwsShadowNetwork, AwsTrafficMirror } = require("shadownet/aws");
const topology = JSON.parse(require("node:fs").readFileSync(__dirname + "/topology.json", "utf8"));
const settings = new pulumi.Config().requireObject("mirror");
const network = new AwsShadowNetwork("shop", { topology });
const mirror = new AwsTrafficMirror("mirror", { shadow: network.reference, topology, ...settings });
exports.sessionIds = mirror.sessionIds;
exports.gatewayUrl = mirror.gatewayUrl;
`;

describe("a mirror on AWS under the real engine, with a stand-in for the aws provider", function () {
  this.timeout(600_000);
  let project: EngineProject;

  const set = (settings: object): Promise<void> => project.setConfig("mirror", JSON.stringify(settings));
  const changed = ({ steps }: EngineResult): string[] =>
    steps
      .filter(({ operation, type }) => operation !== "same" && type.startsWith("aws:"))
      .map(({ operation, name }) => `${operation} ${name}`)
      .sort();

  before(async () => {
    project = await makeAwsProject({ program, files: { "topology.json": JSON.stringify(smallAws) } });
  });

  after(async () => project.dispose());

  it("updates one parameter in place for another share, filter rules in place for another port, and leaves nothing", async () => {
    await set({ percent: 10 });
    const first = await project.up();
    assert.equal(first.code, 0, first.stdout + first.stderr);
    const { sessionIds, gatewayUrl } = await project.outputs();
    assert.equal((sessionIds as string[]).length, 2);
    assert.equal(gatewayUrl, "ssm://eu-central-1/shadownet/shop-dev/mirror");

    await set({ percent: 25 });
    assert.deepEqual(changed(await project.up()), ["update mirror-settings"]);
    await set({ percent: 25, include: [{ protocol: "tcp", destinationPorts: ["80", "8080"] }] });
    assert.deepEqual(changed(await project.up()), [
      "create mirror-rule-accept-2-egress",
      "create mirror-rule-accept-2-ingress",
      "update mirror-settings",
    ]);
    await set({ percent: 25, include: [{ protocol: "tcp", destinationPorts: ["81", "8080"] }] });
    assert.deepEqual(changed(await project.up()), [
      "update mirror-rule-accept-1-egress",
      "update mirror-rule-accept-1-ingress",
      "update mirror-settings",
    ]);

    const gone = await project.destroy();
    assert.equal(gone.code, 0, gone.stdout + gone.stderr);
    const left = await project.exportState();
    assert.deepEqual(left.deployment.resources ?? [], []);
  });
});
