import assert from "node:assert/strict";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

import { type Browser, type Page, chromium } from "playwright-core";

import type { RecordedRun } from "../../components/runtime/runner/journal";
import { writeReports } from "../../components/runtime/report/write";
import { cutRun, syntheticRun } from "../support/runs";

interface Contrast {
  text: string;
  ratio: number;
}

describe("the report page in Chromium", function () {
  this.timeout(120_000);
  let folder: string;
  let browser: Browser;
  const complaints: string[] = [];

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "report-"));
    await writeReports(join(folder, "whole"), syntheticRun());
    await writeReports(join(folder, "cut"), cutRun());
    await writeReports(join(folder, "long"), longNames());
    const executablePath = process.env["CHROMIUM"] ?? "/usr/bin/chromium";
    browser = await chromium.launch({ executablePath, args: process.getuid?.() === 0 ? ["--no-sandbox"] : [] });
  });

  after(async () => {
    await browser.close();
    await rm(folder, { recursive: true, force: true });
  });

  async function open(run: string, width: number, colorScheme: "light" | "dark" = "light"): Promise<Page> {
    const page = await browser.newPage({ viewport: { width, height: 900 }, colorScheme });
    page.on("console", (message) => complaints.push(message.text()));
    page.on("pageerror", (error) => complaints.push(error.message));
    page.on("request", (request) => {
      if (!/^(file|data):/.test(request.url())) complaints.push(`request to ${request.url()}`);
    });
    await page.goto(pathToFileURL(join(folder, run, "report.html")).href);
    return page;
  }

  it("shows the verdict, its sentence and the experiments without scrolling", async () => {
    const page = await open("whole", 1440);
    for (const text of ["Losing the link between app and data", "80 ms on the flow from app to store"]) {
      const box = await page.getByText(text).first().boundingBox();
      assert.ok(box !== null && box.y + box.height < 900, text);
    }
    assert.equal((await page.locator("h1").innerText()).replace(/\s+/g, ""), "✕fail");
    await page.close();
  });

  it("does not scroll sideways on a phone, a tablet and a desktop, and its charts have their width", async () => {
    for (const width of [320, 390, 820, 1440]) {
      const page = await open("whole", width);
      assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= width, String(width));
      const script = `[...document.querySelectorAll("figure svg")].filter((svg) => svg.checkVisibility())
        .map((svg) => svg.getBoundingClientRect().width)`;
      const charts = await page.evaluate<number[]>(script);
      assert.ok(charts.length > 15);
      assert.ok(
        charts.every((chart) => chart > 230 && chart <= width),
        JSON.stringify(charts),
      );
      await page.close();
    }
  });

  it("does not scroll sideways when names are very long", async () => {
    for (const width of [390, 1440]) {
      const page = await open("long", width);
      assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= width, String(width));
      await page.close();
    }
  });

  it("draws lines that can be seen, in colours that differ between light and dark", async () => {
    const strokes = async (scheme: "light" | "dark"): Promise<string[]> => {
      const page = await open("whole", 1440, scheme);
      const script = `["live", "shadow", "gap"].map((name) =>
        getComputedStyle(document.querySelector('figure svg path[stroke="var(--chart-' + name + ')"]')).stroke)`;
      const found = await page.evaluate<string[]>(script);
      await page.close();
      return found;
    };
    const [light, dark] = [await strokes("light"), await strokes("dark")];
    assert.equal(new Set([...light, ...dark]).size, 6);
  });

  it("has enough contrast in light and dark", async () => {
    for (const scheme of ["light", "dark"] as const) {
      const page = await open("whole", 1440, scheme);
      const texts = await page.evaluate<Contrast[]>(contrastScript);
      assert.ok(texts.length > 300, String(texts.length));
      assert.deepEqual(
        texts.filter(({ ratio }) => ratio < 4.5),
        [],
        scheme,
      );
      await page.close();
    }
  });

  it("can be read without eyes: one first heading, headings in order, named drawings, table heads, language", async () => {
    const page = await open("whole", 1440);
    assert.equal(await page.locator("h1").count(), 1);
    const script = `[...document.querySelectorAll("h1, h2, h3, h4")].map(({ tagName }) => Number(tagName[1]))`;
    const levels = await page.evaluate<number[]>(script);
    levels.forEach((level, index) => assert.ok(index === 0 || level <= levels[index - 1]! + 1, `heading ${index}`));
    assert.equal(await page.locator("svg:not([role=img][aria-label])").count(), 0);
    assert.equal(await page.locator("table:not(:has(th))").count(), 0);
    assert.equal(await page.locator("html").getAttribute("lang"), "en");
    await page.keyboard.press("Tab");
    assert.equal(await page.evaluate("document.activeElement.tagName"), "A");
    await page.close();
  });

  it("prints in light colours with everything unfolded", async () => {
    const page = await open("whole", 1440, "dark");
    await page.emulateMedia({ media: "print", colorScheme: "dark" });
    assert.equal(await page.evaluate("getComputedStyle(document.body).backgroundColor"), "rgb(255, 255, 255)");
    const commands = page.locator("details:not(.screen) pre").first();
    assert.ok((await commands.boundingBox())!.height > 20);
    const pdf = await page.pdf({ preferCSSPageSize: true });
    const pages = pdf.toString("latin1").match(/\/Type\s*\/Page\b/g)!.length;
    assert.ok(pages >= 3 && pages <= 30, String(pages));
    await page.close();
  });

  it("says of a cut run that it was cut", async () => {
    const page = await open("cut", 390);
    const notice = await page.locator("[role=note]").boundingBox();
    assert.ok(notice !== null && notice.y < 900);
    assert.match(await page.locator("[role=note]").innerText(), /was cut short/);
    assert.ok((await page.evaluate<number>("document.documentElement.scrollWidth")) <= 390);
    await page.close();
  });

  it("never complained and asked for nothing", () => {
    assert.deepEqual(complaints, []);
  });
});

/** The run with names of 200 letters and no place to break them. */
function longNames(): RecordedRun {
  const { journal, points } = syntheticRun();
  const long = "x".repeat(200);
  const lengthen = <T extends { name: string }>(thing: T): T => ({ ...thing, name: thing.name + long });
  const experiments = journal.experiments.map((experiment) => ({
    ...lengthen(experiment),
    sentence: long,
    faults: experiment.faults.map((fault) => ({ ...fault, target: long, mechanism: long, kind: long, action: long })),
    probes: experiment.probes.map((probe) => ({ ...lengthen(probe), why: long })),
    effects: experiment.effects.map((effect) => ({ ...effect, fault: long, target: long, why: long })),
  }));
  const shadow = { ...journal.shadow!, machines: journal.shadow!.machines.map(lengthen) };
  const events = journal.events.map((event) => ({ ...event, kind: long, message: long }));
  return { journal: { ...journal, network: long, sentence: long, shadow, experiments, events }, points };
}

/** Contrast of every visible text against the nearest background behind it, by the formula of WCAG 2. */
const contrastScript = `(() => {
  const channels = (colour) => (colour.match(/[\\d.]+/g) ?? []).map(Number);
  const luminance = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map((c) => (c /= 255) <= 0.03928 ? c / 12.92 : ((c + 0.055) / 1.055) ** 2.4);
    return 0.2126 * x + 0.7152 * y + 0.0722 * z;
  };
  const background = (element) => {
    for (let at = element; at; at = at.parentElement) {
      const [r, g, b, a = 1] = channels(getComputedStyle(at).backgroundColor);
      if (a === 1) return [r, g, b];
    }
    return [255, 255, 255];
  };
  const found = [];
  for (const element of document.querySelectorAll("main *, header *, footer *, svg text")) {
    const own = [...element.childNodes].some((node) => node.nodeType === 3 && node.data.trim() !== "");
    if (!own || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const svg = element.namespaceURI.endsWith("svg");
    const [front, back] = [luminance(channels(svg ? style.fill : style.color)), luminance(background(svg ? element.closest("figure") : element))];
    const ratio = (Math.max(front, back) + 0.05) / (Math.min(front, back) + 0.05);
    found.push({ text: element.textContent.trim().slice(0, 40), ratio });
  }
  return found;
})()`;
