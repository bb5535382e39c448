import assert from "node:assert/strict";
import { join } from "node:path";

import * as sdk from "@pulumi/policy/proxy";

import { loadRules } from "../../policies/pack";
import { type StackResource, type Violation, violations } from "../support/policyStack";
import { compliantStack } from "./compliantStack";

const folder = join(__dirname, "..", "..", "policies");
const rules = ["isolation", "faults"].flatMap((pack) => loadRules(join(folder, pack)));
const config = {
  "isolation-restrict-monitoring-links": { allowedSinks: ["arn:aws:oam:eu-central-1:111122223333:sink/a"] },
  "faults-restrict-accounts": { shadowAccounts: ["210987654321"] },
};

// The SDK leaves its proxy out of its types.
const { unknownCheckingProxy, unknownStringValue } = sdk as unknown as {
  unknownCheckingProxy: (props: object) => Record<string, unknown>;
  unknownStringValue: string;
};

/** Texts of a value become unknown, as those of what a preview has not made yet. */
function unknownIn(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(unknownIn);
  return typeof value === "string" ? unknownStringValue : value;
}

/** A resource as a preview shows it by the SDK's own proxy: what comes from others is unknown, and what is named. */
function previewed(resource: StackResource, named: readonly string[] = []): StackResource {
  const unknown = new Set([...Object.keys(resource.from ?? {}), ...named]);
  const props = Object.entries(resource.props).map(([key, value]): [string, unknown] => [
    key,
    unknown.has(key) ? unknownIn(value) : value,
  ]);
  return { ...resource, props: unknownCheckingProxy(Object.fromEntries(props)) };
}

/** What the policies say of the stack with this change, everything from other resources unknown. */
function inPreview(change: (resource: StackResource) => StackResource[], named: Record<string, string[]> = {}) {
  const stack = compliantStack.flatMap(change).map((resource) => previewed(resource, named[resource.name]));
  return violations(rules, stack, config);
}

const except =
  (name: string, change: (resource: StackResource) => StackResource[]) =>
  (resource: StackResource): StackResource[] =>
    resource.name === name ? change(resource) : [resource];
const shown = (found: Violation[]): string[] =>
  found.map(({ policy, resource, message }) => `${policy} ${resource} ${/: (\w+)/.exec(message)![1]}`);

describe("the policy packs in a preview, through the proxy by which the SDK hides what is unknown", () => {
  it("run on what a shadow makes itself: none says that it cannot", async () => {
    const named = { role: ["permissionsBoundary"], "web-1": ["iamInstanceProfile"] };
    assert.deepEqual(await inPreview((resource) => [resource], named), []);
  });

  it("run on an egress rule to the shadow's S3 endpoint and on a target named by ARN", async () => {
    const found = await inPreview((resource) => {
      if (resource.name === "group-rule") {
        const { securityGroupId } = resource.props;
        const props = { securityGroupId, prefixListId: "pl-1", ipProtocol: "tcp" };
        return [{ ...resource, props, from: { securityGroupId: ["group"], prefixListId: ["s3"] } }];
      }
      if (resource.name !== "template") return [resource];
      const targets = [{ resourceType: "aws:ec2:subnet", resourceArns: [unknownStringValue] }];
      return [{ ...resource, props: { ...resource.props, targets }, from: { ...resource.from, targets: ["front"] } }];
    });
    assert.deepEqual(found, []);
  });

  it("do not take an unknown tag of the user's for a missing one of the shadow's", async () => {
    const found = await inPreview(
      except("front", (resource) => {
        const tags = { ...(resource.props.tags as object), Owner: unknownStringValue };
        return [{ ...resource, props: { ...resource.props, tags } }];
      }),
    );
    assert.deepEqual(found, []);
  });

  it("refuse what is missing, and what comes from no part of the shadow, although its value is unknown", async () => {
    const missing = await inPreview(
      except("role", (resource) => {
        const props = Object.entries(resource.props).filter(([key]) => key !== "permissionsBoundary");
        return [{ ...resource, props: Object.fromEntries(props) }];
      }),
    );
    assert.deepEqual(shown(missing), ["isolation-restrict-role-trust role permissionsBoundary"]);
    const foreign = await inPreview(
      except("group-rule", (resource) => [
        { ...resource, from: { ...resource.from, referencedSecurityGroupId: ["prod-igw"] } },
      ]),
    );
    assert.ok(shown(foreign).includes("isolation-restrict-security-groups group-rule referencedSecurityGroupId"));
  });

  it("find the gateways' subnets without a diode, and the diode that an association lays on them", async () => {
    const elsewhere = (resource: StackResource): StackResource => ({
      ...resource,
      from: { ...resource.from, subnetIds: ["front"] },
    });
    const bare = await inPreview(except("diode", (resource) => [elsewhere(resource)]));
    assert.deepEqual(shown(bare), ["isolation-require-diode gateways vpcZoneIdentifiers"]);
    const associated = await inPreview(
      except("diode", (resource) => [
        elsewhere(resource),
        {
          type: "aws:ec2/networkAclAssociation:NetworkAclAssociation",
          name: "association",
          props: { networkAclId: "acl-1", subnetId: "subnet-2" },
          from: { networkAclId: ["diode"], subnetId: ["gateway-subnet"] },
        },
      ]),
    );
    assert.deepEqual(associated, []);
  });
});
