import assert from "node:assert/strict";

import { align, parseCsv, parseWindow } from "../../../../components/runtime/analysis";

describe("series from text", () => {
  it("reads headers, gaps, comments, separators and disorder", () => {
    const { samples, problems } = parseCsv(
      '\uFEFFtime,value\r\n# note\r\n2,5\r\n\r\n1;4\n3\tNaN\n"4","7.5"\n',
      "a.csv",
    );
    assert.deepEqual(problems, []);
    assert.deepEqual(samples, [
      { time: 1, value: 4 },
      { time: 2, value: 5 },
      { time: 3, value: Number.NaN },
      { time: 4, value: 7.5 },
    ]);
  });

  it("names every problem with its line", () => {
    const { problems } = parseCsv("1,2\n2,x\n,4\n3,1,2\n1,9\n5,Infinity\nlate,late", "a.csv");
    assert.deepEqual(
      problems.map(({ path }) => path),
      ["a.csv:2", "a.csv:3", "a.csv:4", "a.csv:5", "a.csv:6", "a.csv:7", "a.csv:7"],
    );
    assert.match(problems[3]!.reason, /given on line 1 already/);
    assert.match(parseCsv("time,value\n", "b.csv").problems[0]!.reason, /no samples/);
    const many = parseCsv("x\n".repeat(200), "c.csv").problems;
    assert.equal(many.length, 51);
    assert.equal(many.at(-1)!.reason, "and 150 more");
  });

  it("reads windows", () => {
    assert.deepEqual(parseWindow("300-360.5"), { start: 300, end: 360.5 });
    for (const bad of ["360-300", "5-5", "a-b", "10", "", "1-2-3"]) assert.equal(parseWindow(bad), undefined, bad);
  });

  it("aligns on one step and leaves gaps as gaps", () => {
    const live = [0, 1, 2, 4].map((time) => ({ time, value: time }));
    const shadow = [0.1, 1.1, 3.1].map((time) => ({ time, value: 10 * time }));
    const pair = align(live, shadow, 1);
    assert.equal(pair.start, 0);
    assert.deepEqual(pair.live, [0, 1, 2, Number.NaN, 4]);
    assert.deepEqual(pair.shadow, [1, 11, Number.NaN, 31, Number.NaN]);
  });
});
