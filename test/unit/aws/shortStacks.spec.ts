import assert from "node:assert/strict";

import { withShortStacks } from "../../../components/aws/shortStacks";

const framesOf = (error: Error): string[] => error.stack!.split("\n").slice(1);

describe("withShortStacks", () => {
  const before = Error.stackTraceLimit;
  beforeEach(() => {
    Error.stackTraceLimit = 10;
  });
  afterEach(() => {
    Error.stackTraceLimit = before;
    delete process.env.PULUMI_DEBUG_PROMISE_LEAKS;
  });

  it("keeps the place of an error that is made within, and nothing of how it came there", () => {
    const [frame, ...others] = framesOf(withShortStacks(() => new Error("within")));
    assert.match(frame!, /shortStacks\.spec/);
    assert.deepEqual(others, []);
  });

  it("gives back what is made and the program's own limit, also when it fails", () => {
    assert.equal(
      withShortStacks(() => 7),
      7,
    );
    assert.equal(Error.stackTraceLimit, 10);
    const fail = (): never => {
      throw new Error("not made");
    };
    assert.throws(() => withShortStacks(fail), /not made/);
    assert.equal(Error.stackTraceLimit, 10);
    assert.ok(framesOf(new Error("after")).length > 1);
  });

  it("leaves traces whole where Pulumi is asked for those of promises that never resolve", () => {
    process.env.PULUMI_DEBUG_PROMISE_LEAKS = "1";
    assert.ok(framesOf(withShortStacks(() => new Error("within"))).length > 1);
  });

  it("does not lengthen what the program has made shorter", () => {
    Error.stackTraceLimit = 0;
    assert.deepEqual(framesOf(withShortStacks(() => new Error("within"))), []);
  });
});
