import assert from "node:assert/strict";
import { readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";

import { verifyChecks } from "../../../components/aws/driver/verify";
import { repository } from "../../support/engine";

const read = (...path: string[]): string => readFileSync(join(repository, ...path), "utf8");
const heading = "What has not been tried on a real account";

describe("the pages about AWS", () => {
  it("say what each check of `shadownet verify aws` shows", () => {
    const rows = read("docs", "aws.md")
      .split("\n")
      .flatMap((line) => /^\| `([a-z-]+)` +\| (.*?) +\|$/.exec(line)?.slice(1, 3).join(": ") ?? []);
    const checks = verifyChecks.map(({ check, shows }) => `${check}: ${shows}`);
    assert.deepEqual(
      rows.filter((row) => checks.includes(row) || row.startsWith("mirror:")),
      checks,
    );
  });

  it("have one list of what has not been tried, and lead to it", () => {
    const pages = readdirSync(join(repository, "docs")).filter((name) => name.startsWith("aws"));
    assert.equal(pages.filter((name) => read("docs", name).includes(`\n## ${heading}\n`)).join(), "aws.md");
    const anchor = `aws.md#${heading.toLowerCase().replaceAll(" ", "-")}`;
    for (const page of pages.filter((name) => name !== "aws.md")) assert.ok(read("docs", page).includes(anchor), page);
  });

  it("and each example say what is made, what it costs, what it never touches and how it is removed", () => {
    const examples = readdirSync(join(repository, "examples")).filter((name) => name.startsWith("aws-"));
    assert.equal(examples.length, 3);
    for (const example of examples) {
      const headings = read("examples", example, "README.md")
        .split("\n")
        .filter((line) => line.startsWith("## "));
      const expected = ["What it makes", "What it costs", "What it can never touch", "How to remove it"];
      assert.deepEqual(
        headings,
        expected.map((title) => `## ${title}`),
        example,
      );
    }
  });
});
