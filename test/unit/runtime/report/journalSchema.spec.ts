import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { join } from "node:path";

import { journalJsonSchema, parseJournal } from "../../../../components/runtime/report/journalSchema";
import { cutRun, syntheticRun } from "../../../support/runs";

const published = join(__dirname, "../../../../components/runtime/report/journal.schema.json");

describe("the journal's schema", () => {
  it("accepts whole and cut journals, as they are read from a file", () => {
    for (const { journal } of [syntheticRun(), cutRun()]) {
      const read: unknown = JSON.parse(JSON.stringify(journal));
      assert.equal(parseJournal(read), read);
    }
  });

  it("names everything that is wrong, by path", () => {
    const { journal } = syntheticRun();
    const broken = { ...journal, version: 2, status: "fine", phases: [{ name: "tea", startedAt: 1 }] };
    assert.throws(
      () => parseJournal(broken),
      (error: Error) => {
        for (const path of ["version:", "status:", "phases[0].name:"])
          assert.ok(error.message.includes(path), error.message);
        return true;
      },
    );
    assert.throws(() => parseJournal("text"), /\(the whole file\)/);
  });

  it("is published as it is", () => {
    assert.deepEqual(JSON.parse(readFileSync(published, "utf8")), JSON.parse(JSON.stringify(journalJsonSchema())));
  });
});
