import assert from "node:assert/strict";
import { join } from "node:path";

import { loadRules } from "../../policies/pack";
import { type StackResource, violations } from "../support/policyStack";
import { compliantStack } from "./compliantStack";
import { diodeCases } from "./diodeCases";
import { faultsCases } from "./faultsCases";
import { isolationCases } from "./isolationCases";
import type { PolicyCase } from "./policyCase";

const folder = join(__dirname, "..", "..", "policies");
const rules = ["isolation", "faults"].flatMap((pack) => loadRules(join(folder, pack)));
const cases = [...isolationCases, ...diodeCases, ...faultsCases];
const config = {
  "isolation-restrict-monitoring-links": { allowedSinks: ["arn:aws:oam:eu-central-1:111122223333:sink/a"] },
  "faults-restrict-accounts": { shadowAccounts: ["210987654321"] },
};

function changed({ set, remove, add }: PolicyCase): StackResource[] {
  const kept = compliantStack.filter(({ name }) => name !== remove);
  const mended = kept.map((resource): StackResource => {
    if (resource.name !== set?.name) return resource;
    const props = Object.fromEntries(
      Object.entries({ ...resource.props, ...set.props }).filter(([, value]) => value !== undefined),
    );
    return { ...resource, props, ...(set.from === undefined ? {} : { from: set.from }) };
  });
  const withoutRemoved = mended.map((resource) => ({
    ...resource,
    from: Object.fromEntries(
      Object.entries(resource.from ?? {}).map(([property, names]) => [
        property,
        names.filter((name) => name !== remove),
      ]),
    ),
  }));
  return add === undefined ? withoutRemoved : [...withoutRemoved, add];
}

describe("the policy packs", () => {
  it("find nothing in a shadow that keeps every rule, beside a production that may do what it likes", async () => {
    assert.deepEqual(await violations(rules, compliantStack, config), []);
  });

  it("have a change that breaks each rule", () => {
    const covered = new Set(cases.map(({ rule }) => rule));
    assert.deepEqual(
      rules.map(({ id }) => id).filter((id) => !covered.has(id)),
      [],
    );
  });

  for (const one of cases) {
    it(`${one.rule}: ${one.title}`, async () => {
      const own = one.config === undefined ? config : { ...config, [one.rule]: one.config };
      const found = await violations(rules, changed(one), own);
      const expected = found.filter(
        ({ policy, resource, message }) =>
          policy === one.rule &&
          resource === one.expect.resource &&
          message.startsWith(`[${one.rule}] ${one.expect.resource}: ${one.expect.property}`) &&
          message.includes("; "),
      );
      assert.equal(expected.length, 1, JSON.stringify(found, null, 2));
      const others = found.filter(({ policy }) => policy !== one.rule && !(one.also ?? []).includes(policy));
      assert.deepEqual(others, [], "no other rule speaks");
    });
  }
});
