import assert from "node:assert/strict";

import fc from "fast-check";

import type { PlannedAction } from "../../../../components/aws/experiment/model";
import {
  ancestors,
  longestSeconds,
  mostAtOnce,
  partsInOrder,
  splitIntoTemplates,
} from "../../../../components/aws/experiment/order";

function actions(edges: Record<string, string[]>, seconds = 60): PlannedAction[] {
  return Object.entries(edges).map(([name, startAfter]) => ({
    name,
    actionId: "aws:fis:wait",
    description: name,
    parameters: {},
    startAfter,
    seconds,
  }));
}

const chain = (count: number): Record<string, string[]> =>
  Object.fromEntries(Array.from({ length: count }, (_, index) => [`a${index}`, index === 0 ? [] : [`a${index - 1}`]]));

/** Random graphs without cycles: an action waits only for earlier ones. */
const graphs = fc
  .array(fc.array(fc.boolean(), { minLength: 9, maxLength: 9 }), { minLength: 1, maxLength: 9 })
  .map((rows) =>
    Object.fromEntries(
      rows.map((row, index) => [`a${index}`, row.slice(0, index).flatMap((on, at) => (on ? [`a${at}`] : []))]),
    ),
  );

/** The largest set of which none waits for another, by trying all. */
function widthByTrying(list: PlannedAction[]): number {
  const before = ancestors(list);
  const apart = (a: string, b: string): boolean => !before.get(a)!.has(b) && !before.get(b)!.has(a);
  let best = 0;
  for (let set = 0; set < 2 ** list.length; set++) {
    const names = list.filter((_, index) => (set >> index) % 2 === 1).map(({ name }) => name);
    if (names.length > best && names.every((a, at) => names.slice(at + 1).every((b) => apart(a, b))))
      best = names.length;
  }
  return best;
}

describe("the order of FIS actions", () => {
  it("counts how many can run at once, as trying all sets does", () => {
    fc.assert(
      fc.property(graphs, (edges) => assert.equal(mostAtOnce(actions(edges)), widthByTrying(actions(edges)))),
      { numRuns: 60 },
    );
  });

  it("knows the longest way", () => {
    assert.equal(longestSeconds(actions({ a: [], b: ["a"], c: ["a"], d: ["b", "c"] })), 180);
  });

  it("cuts only where everything behind waits for everything before", () => {
    const parts = partsInOrder(actions({ a: [], b: ["a"], c: ["a"], d: ["b", "c"], e: ["d"] }));
    assert.deepEqual(
      parts.map((part) => part.map(({ name }) => name).sort()),
      [["a"], ["b", "c"], ["d"], ["e"]],
    );
    fc.assert(
      fc.property(graphs, (edges) => {
        const list = actions(edges);
        const before = ancestors(list);
        const found = partsInOrder(list);
        assert.equal(found.flat().length, list.length);
        found.slice(1).forEach((part, index) => {
          const earlier = found.slice(0, index + 1).flat();
          for (const { name } of part) for (const one of earlier) assert.ok(before.get(name)!.has(one.name));
        });
      }),
    );
  });

  it("spreads a long chain over templates, each within the limit, and drops the arrows between them", () => {
    const templates = splitIntoTemplates(actions(chain(45)), [], 0)!;
    assert.deepEqual(
      templates.map((template) => template.actions.length),
      [20, 20, 5],
    );
    assert.deepEqual(templates[1]!.actions[0]!.startAfter, []);
    assert.deepEqual(templates[1]!.actions[1]!.startAfter, ["a20"]);
  });

  it("keeps each template within twelve hours", () => {
    const templates = splitIntoTemplates(actions(chain(4), 20_000), [], 0)!;
    assert.deepEqual(
      templates.map((template) => template.actions.length),
      [2, 2],
    );
  });

  it("refuses what belongs together and is too much for one template", () => {
    const two = { ...chain(21), b: [] };
    assert.equal(splitIntoTemplates(actions(two), [], 0), undefined);
  });
});
