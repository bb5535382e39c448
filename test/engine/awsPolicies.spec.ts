import assert from "node:assert/strict";
import { join } from "node:path";
import { writeFile } from "node:fs/promises";

import { compliantStack } from "../policies/compliantStack";
import { makeAwsProject, policyPack } from "../support/awsEngine";
import type { EngineProject, EngineResult } from "../support/engine";
import { type StackResource, shadowTags } from "../support/policyStack";

/** Registers the resources of stack.json: a property that comes from others is an output of theirs, with the value given. */
const program = `
const pulumi = require("@pulumi/pulumi");
const stack = JSON.parse(require("node:fs").readFileSync(__dirname + "/stack.json", "utf8"));
class Component extends pulumi.ComponentResource {
  constructor(type, name, args, opts) {
    super(type, name, args, opts);
    this.registerOutputs({});
  }
}
const components = new Map();
function componentOf(types) {
  if (types.length === 0) return undefined;
  const key = types.join("/");
  if (!components.has(key)) {
    const parent = componentOf(types.slice(0, -1));
    components.set(key, new Component(types.at(-1), "shadow-" + types.length, {}, { parent }));
  }
  return components.get(key);
}
const made = new Map();
for (const { type, name, props, from = {}, components: above = ["shadownet:index:AwsShadowEnvironment"] } of stack) {
  const inputs = { ...props };
  for (const [property, names] of Object.entries(from)) {
    const ids = names.map((one) => made.get(one).id);
    if (property in props) inputs[property] = pulumi.all(ids).apply(() => props[property]);
    else inputs[property] = ids[0];
  }
  const opts = { parent: componentOf(above) };
  if (type.startsWith("shadownet:")) new Component(type, name, inputs, opts);
  else made.set(name, new pulumi.CustomResource(type, name, inputs, opts));
}
`;

const config = {
  isolation: {
    "isolation-restrict-monitoring-links": { allowedSinks: ["arn:aws:oam:eu-central-1:111122223333:sink/a"] },
  },
  faults: { "faults-restrict-accounts": { shadowAccounts: ["210987654321"] } },
};

/** Resources in an order in which what a property comes from has been made. */
function ordered(stack: readonly StackResource[]): StackResource[] {
  const done = new Set<string>();
  const result: StackResource[] = [];
  const visit = (resource: StackResource): void => {
    if (done.has(resource.name)) return;
    done.add(resource.name);
    for (const name of Object.values(resource.from ?? {}).flat()) visit(stack.find((one) => one.name === name)!);
    result.push(resource);
  };
  for (const resource of stack) visit(resource);
  return result;
}

describe("the policy packs under the real engine, with a stand-in for the aws provider", function () {
  this.timeout(600_000);
  let project: EngineProject;
  let packs: string[];

  const write = (stack: readonly StackResource[]): Promise<void> =>
    project.write("stack.json", JSON.stringify(ordered(stack)));
  const messages = ({ stdout, stderr }: EngineResult): string => stdout + stderr;

  before(async () => {
    project = await makeAwsProject({ program });
    packs = [];
    for (const name of ["isolation", "faults"] as const) {
      const file = join(project.folder, "..", `${name}.json`);
      await writeFile(file, JSON.stringify(config[name]));
      packs.push("--policy-pack", policyPack(name), "--policy-pack-config", file);
    }
  });
  after(() => project.dispose());

  it("stop an update before anything is created, with the resource, the property, the value and the cure", async () => {
    const gateway = { type: "aws:ec2/internetGateway:InternetGateway", name: "way-out", props: { tags: shadowTags } };
    await write([...compliantStack, gateway]);
    const refused = await project.pulumi(["up", "--yes", "--stack", "dev", "--color", "never", ...packs]);
    assert.notEqual(refused.code, 0);
    const shown = refused.stdout + refused.stderr;
    assert.match(
      shown,
      /\[isolation-forbid-internet-paths\] way-out: type = "aws:ec2\/internetGateway:InternetGateway"/,
    );
    assert.match(shown, /the gateway's interface is the default route/);
    assert.deepEqual((await project.exportState()).deployment.resources ?? [], []);
  });

  it("stop it for what only the stack as a whole shows", async () => {
    await write(compliantStack.filter(({ name }) => name !== "flow-log"));
    const refused = await project.preview(...packs);
    assert.notEqual(refused.code, 0);
    assert.match(messages(refused), /\[isolation-require-flow-log\] vpc: flowLog is missing/);
  });

  it("let a shadow pass that keeps the rules, in preview and update, and find nothing in its state", async () => {
    await write(compliantStack);
    const preview = await project.preview(...packs);
    assert.equal(preview.code, 0, messages(preview));
    const up = await project.up(...packs);
    assert.equal(up.code, 0, messages(up));
    assert.ok(up.counts.create >= compliantStack.length);
    const state = join(project.folder, "..", "state.json");
    await writeFile(state, JSON.stringify(await project.exportState()));
    const analyzed = await project.pulumi(["policy", "analyze", ...packs.slice(0, 4), "--file", state]);
    assert.equal(analyzed.code, 0, analyzed.stdout + analyzed.stderr);
  });

  it("find in a state what somebody let through", async () => {
    const peering = {
      type: "aws:ec2/vpcPeeringConnection:VpcPeeringConnection",
      name: "peer",
      components: [],
      props: { vpcId: "vpc-1", peerVpcId: "vpc-production" },
      from: { vpcId: ["vpc"] },
    };
    await write([...compliantStack, peering]);
    assert.equal((await project.up()).code, 0);
    const state = join(project.folder, "..", "state.json");
    await writeFile(state, JSON.stringify(await project.exportState()));
    const analyzed = await project.pulumi(["policy", "analyze", ...packs.slice(0, 4), "--file", state]);
    assert.notEqual(analyzed.code, 0);
    assert.match(analyzed.stdout + analyzed.stderr, /\[isolation-forbid-network-joins\] peer: type/);
  });
});
