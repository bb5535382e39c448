import assert from "node:assert/strict";
import { existsSync, readFileSync } from "node:fs";
import { join } from "node:path";

import { loadRules, rulesTable } from "../../policies/pack";

const root = join(__dirname, "..", "..");
const packs = ["isolation", "faults"];

describe("the rules", () => {
  it("stand in docs/policies.md as the table that they generate", () => {
    const narrow = (text: string): string => text.replaceAll(/ +/g, " ").replaceAll(/-{3,}/g, "---");
    const docs = narrow(readFileSync(join(root, "docs", "policies.md"), "utf8"));
    for (const pack of packs) {
      const table = rulesTable(loadRules(join(root, "policies", pack)));
      assert.ok(docs.includes(narrow(table)), `docs/policies.md lacks this table of ${pack}:\n\n${table}`);
    }
  });

  it("name types that the provider's SDK has", () => {
    const rules = packs.flatMap((pack) => loadRules(join(root, "policies", pack)));
    const tokens = [...new Set(rules.flatMap(({ rule }) => rule.types ?? []))].filter((type) =>
      type.startsWith("aws:"),
    );
    assert.ok(tokens.length > 100);
    const missing = tokens.filter((token) => {
      const file = join(root, "node_modules", "@pulumi", "aws", `${token.split(":")[1]!}.js`);
      return !existsSync(file) || !readFileSync(file, "utf8").includes(`'${token}'`);
    });
    assert.deepEqual(missing, []);
  });

  it("give every setting a description and a default", () => {
    const rules = packs.flatMap((pack) => loadRules(join(root, "policies", pack)));
    for (const { id, rule } of rules) {
      for (const [name, schema] of Object.entries(rule.config?.properties ?? {})) {
        assert.ok(schema.description !== undefined && schema.default !== undefined, `${id}: ${name}`);
      }
    }
  });
});
