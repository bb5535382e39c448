import assert from "node:assert/strict";

import type { RecordedRun } from "../../../../components/runtime/runner/journal";
import { renderHtml } from "../../../../components/runtime/report/html";
import { renderJUnit } from "../../../../components/runtime/report/junit";
import { renderMarkdown } from "../../../../components/runtime/report/markdown";
import { renderReportJson } from "../../../../components/runtime/report/json";
import { renderTable } from "../../../../components/runtime/report/table";
import { parseJournal } from "../../../../components/runtime/report/journalSchema";
import { cutRun, syntheticRun } from "../../../support/runs";

const hostile = `<img src=x onerror="alert(1)">'&|\`@all\u001b[2J]]><!--`;

/** The run with every string that comes from outside replaced or lengthened by hostile text. */
function hostileRun(): RecordedRun {
  const { journal, points } = syntheticRun();
  const spoil = (value: unknown, key = ""): unknown => {
    if (Array.isArray(value)) return value.map((item) => spoil(item, key));
    if (typeof value === "object" && value !== null) {
      return Object.fromEntries(Object.entries(value).map(([name, item]) => [name, spoil(item, name)]));
    }
    const kept = ["startedAt", "endedAt", "status", "verdict", "when", "signal", "outcome"];
    return typeof value === "string" && !kept.includes(key) ? `${value}${hostile}` : value;
  };
  return {
    journal: spoil(journal) as RecordedRun["journal"],
    points: points.map((point) => ({ ...point, target: `${point.target}${hostile}` })),
  };
}

/** Like assert.doesNotMatch, without printing the whole page when it fails. */
function refuteMatch(text: string, pattern: RegExp): void {
  const found = pattern.exec(text);
  assert.equal(found === null ? null : text.slice(Math.max(0, found.index - 60), found.index + 60), null);
}

describe("the report page", function () {
  this.timeout(60_000);
  const page = renderHtml(syntheticRun());

  it("says the verdict and its sentence before anything else", () => {
    const body = page.slice(page.indexOf("<main>"));
    assert.ok(body.indexOf("fail</span>") < body.indexOf("Losing the link between app and data"));
    assert.ok(body.indexOf("Losing the link between app and data") < body.indexOf("What was tried"));
  });

  it("shows asked against measured, intervals, recovery, coverage, seed and commands", () => {
    for (const text of [
      "80.4 ms",
      "+892",
      "1.3 s",
      "99 %",
      "ip netns exec switch ip link set",
      "shadownet run dbLink",
    ]) {
      assert.ok(page.includes(text), text);
    }
  });

  it("shows asked against measured for each direction where they were asked for separately", () => {
    const run = syntheticRun();
    const [fault] = run.journal.experiments[0]!.faults;
    const proof = (asked: number, measured: number) => ({ asked, measured, unit: "%", proven: true, why: "counted" });
    const directions = { egress: proof(5, 5.2), ingress: proof(20, 20.5) };
    fault!.effect = { counters: {}, proven: true, why: "both", directions };
    const html = renderHtml(run);
    assert.ok(html.includes("5 % egress, 20 % ingress"));
    assert.ok(html.includes("5.2 % egress, 20.5 % ingress"));
    const sentence = "egress asked 5 %, measured 5.2 %, ingress asked 20 %, measured 20.5 %; both";
    assert.ok(renderMarkdown(run).includes(sentence), renderMarkdown(run));
    assert.deepEqual(renderReportJson(run).experiments[0]!.faults[0]!.directions, directions);
    assert.equal(
      parseJournal(JSON.parse(JSON.stringify(run.journal))).experiments.length,
      run.journal.experiments.length,
    );
  });

  it("shows both figures of coverage where packets went by unseen", () => {
    const run = syntheticRun();
    Object.assign(run.journal.coverage!, { unseen: 1_200, coverageAtLeast: 9_391 / 10_682 });
    const dropped = "1,200 packets that the gateway's kernel dropped unseen";
    const html = renderHtml(run).replaceAll("&#39;", "'");
    for (const text of ["<b>at least 87.9 %</b>", `Of those seen it was 99 %; ${dropped} count as requests here.`]) {
      assert.ok(html.includes(text), text);
    }
    const sentence = /overage at least 87.9 %: 9,?391 of 9,?482 [^]* replayed \(99 %\), and 1,?200 packets/;
    assert.match(renderMarkdown(run), sentence);
    assert.match(renderTable(run), sentence);
    const { coverage } = renderReportJson(run);
    assert.deepEqual([coverage!.unseen, coverage!.coverageAtLeast], [1_200, 9_391 / 10_682]);
    refuteMatch(page, /at least 9|unseen/);
  });

  it("draws live, shadow and gap with shaded fault windows and the margin, each with a description", () => {
    const drawings = page.match(/<svg [^>]*>/g)!;
    assert.ok(drawings.length > 20, String(drawings.length));
    for (const drawing of drawings) assert.match(drawing, /role="img" aria-label="[^"]{20,}"/);
    for (const part of ["live", "shadow", "gap", "fault", "band", "bound"]) {
      assert.ok(page.includes(`"var(--chart-${part})"`), part);
    }
    refuteMatch(page, /#0000a[1-8]/);
  });

  it("has every id once", () => {
    const ids = [...page.matchAll(/ id="([^"]*)"/g)].map(([, id]) => id);
    assert.equal(new Set(ids).size, ids.length);
  });

  it("is the same for the same run", () => {
    assert.equal(renderHtml(syntheticRun()), page);
  });

  it("stays under a megabyte for a run of more than an hour", () => {
    const run = syntheticRun({ stretch: 20 });
    const hours = (Date.parse(run.journal.endedAt!) - Date.parse(run.journal.startedAt)) / 3_600_000;
    assert.ok(hours > 0.9, String(hours));
    assert.ok(Buffer.byteLength(renderHtml(run)) < 1_000_000);
  });

  it("loads nothing and runs no script", () => {
    refuteMatch(page, /<script|<[^>]*\s(?:src|on\w+)=|@import|url\((?!#)/i);
    assert.match(page, /Content-Security-Policy" content="default-src 'none'/);
  });

  it("escapes a hostile journal everywhere", () => {
    const spoiled = renderHtml(hostileRun());
    refuteMatch(spoiled, /<img/);
    refuteMatch(spoiled, /<!--/);
    assert.ok(spoiled.includes("&lt;img src=x onerror=&quot;alert(1)&quot;&gt;"));
  });

  it("says of a cut run that it was cut, and shows what was measured", () => {
    const cut = renderHtml(cutRun());
    assert.match(cut, /was cut short \(interrupted\)/);
    assert.match(cut, /its process ended without closing the journal/);
    assert.match(cut, /no verdict/);
    assert.match(cut, /<svg /);
    refuteMatch(cut, /\bundefined\b|\bNaN\b|\[object/);
  });

  it("says so when a run was cut before anything was measured", () => {
    const { journal } = cutRun();
    const bare = {
      ...journal,
      phases: [],
      events: [],
      experiments: [],
      alarms: [],
      shadow: undefined,
      endedAt: undefined,
    };
    assert.match(renderHtml({ journal: { ...bare, status: "running" }, points: [] }), /still going on/);
  });

  it("warns of an invalid run", () => {
    const run = syntheticRun();
    assert.match(renderHtml({ ...run, journal: { ...run.journal, invalid: true } }), /no verdict may be drawn from it/);
  });

  it("leaves no number unformatted", () => {
    refuteMatch(page.replace(/<pre>[\s\S]*?<\/pre>/g, ""), /\bundefined\b|\bNaN\b|\[object|\bInfinity\b/);
  });
});

describe("the other forms of a report", () => {
  it("report.json holds run, verdict, experiments, effects and coverage", () => {
    const report = renderReportJson(syntheticRun());
    assert.deepEqual(Object.keys(report.run).slice(0, 3), ["id", "network", "backEnd"]);
    assert.equal(report.verdict, "fail");
    assert.equal(report.experiments.length, 3);
    assert.equal(report.effects.length, 18);
    assert.equal(report.effects[0]!.experiment, "dbLink");
    assert.equal(report.coverage!.onWire, 9_482);
    assert.equal(report.run.seconds, 229);
    assert.equal(renderReportJson(cutRun()).verdict, null);
  });

  it("JUnit counts failures, errors and what carries no verdict, never as passes", () => {
    const xml = renderJUnit(syntheticRun());
    const cases = [...xml.matchAll(/<testcase name="([^"]*)"/g)].map(([, name]) => name);
    const [, tests, failures, errors, skipped] = /tests="(\d+)" failures="(\d+)" errors="(\d+)" skipped="(\d+)"/
      .exec(xml)!
      .map(Number);
    assert.equal(tests, cases.length);
    assert.equal(failures, xml.match(/<failure /g)!.length);
    assert.equal(skipped, xml.match(/<skipped /g)!.length);
    assert.equal(errors, 0);
    assert.match(renderJUnit(cutRun()), /<error message="There is no verdict: the run was cut off/);
  });

  it("JUnit has an error for a fault without proof", () => {
    const run = syntheticRun();
    run.journal.experiments[0]!.faults[0]!.effect!.proven = false;
    assert.match(renderJUnit(run), /link down on data-1\/eth0 happened" classname="dbLink"><error /);
  });

  it("JUnit of a hostile journal is well-formed", () => {
    const xml = renderJUnit(hostileRun());
    refuteMatch(xml, /<img|\p{Cc}(?<!\n)/u);
    const tags = [...xml.matchAll(/<(\/?)(\w+)[^<>]*?(\/?)>/g)];
    const open: string[] = [];
    for (const [, closing, name, alone] of tags) {
      if (closing === "/") assert.equal(open.pop(), name);
      else if (alone === "") open.push(name!);
    }
    assert.deepEqual(open, []);
  });

  it("Markdown leads with the verdict and cannot be broken out of", () => {
    const text = renderMarkdown(syntheticRun());
    assert.match(text, /^## ✕ fail: shop-shadow\n\nLosing the link/);
    const spoiled = renderMarkdown(hostileRun());
    refuteMatch(spoiled, /<img|(?<!\\)`|@all/);
    const columns = spoiled
      .split("\n")
      .filter((line) => line.startsWith("| "))
      .map((line) => line.match(/(?<!\\)\|/g)!.length);
    assert.deepEqual([...new Set(columns)].sort(), [4, 7]);
  });

  it("the terminal's table carries no control characters from the journal", () => {
    const text = renderTable(hostileRun());
    assert.ok(!text.includes("\u001b[2J"));
    assert.match(renderTable(syntheticRun()), /link down on data-1\/eth0, 0:40–0:58 · .*proven/);
    assert.match(renderTable(cutRun()), /no verdict/);
  });
});
