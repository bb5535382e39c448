/* eslint-disable @typescript-eslint/no-unsafe-member-access, @typescript-eslint/no-unsafe-assignment, @typescript-eslint/no-unsafe-argument, @typescript-eslint/no-unsafe-call --
   what is checked here is JSON that came over the wire */
import assert from "node:assert/strict";
import type { AddressInfo } from "node:net";

import type { RunSummary } from "../../../../components/runtime/console/runs";
import type { Api } from "../../../../components/runtime/console/server";
import { ConsoleBench, eventually, longOne, slowApp, token } from "./support";

interface Answer {
  status: number;
  body: any; // eslint-disable-line @typescript-eslint/no-explicit-any
  text: string;
  headers: Record<string, unknown>;
}

describe("the controller's HTTP API", () => {
  let bench: ConsoleBench;
  let api: Api;

  beforeEach(async () => {
    bench = new ConsoleBench();
    api = await bench.server();
  });

  afterEach(async () => {
    await api.close();
    await bench.remove();
  });

  async function ask(
    method: string,
    url: string,
    body?: unknown,
    headers: Record<string, string> = {},
  ): Promise<Answer> {
    const answer = await api.inject({
      method: method as "GET",
      url,
      headers: { host: "shop.test:80", authorization: `Bearer ${token}`, ...headers },
      ...(body === undefined ? {} : { payload: body as object }),
    });
    const isJson = String(answer.headers["content-type"]).includes("json");
    const { statusCode: status, payload: text } = answer;
    return { status, body: isJson ? JSON.parse(text) : undefined, text, headers: answer.headers };
  }

  const get = (url: string): Promise<Answer> => ask("GET", url);
  const post = (url: string, body?: unknown): Promise<Answer> => ask("POST", url, body);

  async function ended(id: string): Promise<RunSummary> {
    let run: RunSummary | undefined;
    await eventually("the run's end", async () => {
      run = (await get(`/runs/${id}`)).body as RunSummary;
      return run.status !== "running";
    });
    return run!;
  }

  describe("turns away", () => {
    it("whoever has no token or a wrong one, on every route but health and the API's description", async () => {
      for (const authorization of ["", "Bearer", `Bearer ${token}x`, `Basic ${token}`, `Bearer ${token.slice(1)}`]) {
        for (const url of ["/shadows", "/runs", "/metrics", "/alarms", "/nothing-here", "/runs/x/journal"]) {
          const { status, body, headers } = await ask("GET", url, undefined, { authorization });
          assert.equal(status, 401, `${url} with "${authorization}"`);
          assert.equal(body.error.code, "no-token");
          assert.match(String(headers["www-authenticate"]), /^Bearer/);
        }
        assert.equal((await ask("POST", "/halt", {}, { authorization })).status, 401);
      }
      assert.equal(bench.controller.halted, undefined);
      assert.equal((await ask("GET", "/health", undefined, { authorization: "" })).status, 200);
      assert.equal((await ask("GET", "/openapi.json", undefined, { authorization: "" })).status, 200);
    });

    it("a request for another host's name, also on routes without a token", async () => {
      for (const host of ["evil.test", "shop.test", "shop.test:81", "127.0.0.1:80"]) {
        const { status, body } = await ask("GET", "/health", undefined, { host });
        assert.equal(status, 421);
        assert.equal(body.error.code, "wrong-host");
      }
      assert.equal((await ask("GET", "/health", undefined, { host: "SHOP.test:80" })).status, 200);
    });

    it("pages of another origin", async () => {
      for (const origin of ["http://evil.test", "null", "https://shop.test:81", "ftp://shop.test:80"]) {
        const { status, body } = await ask("POST", "/halt", {}, { origin });
        assert.equal(status, 403, origin);
        assert.equal(body.error.code, "foreign-origin");
      }
      assert.equal((await ask("GET", "/halt", undefined, { origin: "http://shop.test:80" })).status, 200);
    });
  });

  it("describes every route in OpenAPI 3.1", async () => {
    const { body } = await get("/openapi.json");
    assert.equal(body.openapi, "3.1.0");
    assert.equal(body.info.version, "1.2.3");
    const paths = Object.entries(body.paths as Record<string, object>).flatMap(([path, methods]) =>
      Object.keys(methods).map((method) => `${method.toUpperCase()} ${path}`),
    );
    for (const route of [
      "GET /health",
      "GET /metrics",
      "GET /shadows",
      "GET /shadows/{shadow}",
      "GET /shadows/{shadow}/experiments",
      "POST /shadows/{shadow}/experiments",
      "DELETE /shadows/{shadow}/experiments/{experiment}",
      "POST /shadows/{shadow}/runs",
      "GET /runs",
      "GET /runs/{run}/events",
      "POST /runs/{run}/abort",
      "POST /halt",
      "POST /release",
      "GET /alarms",
      "GET /schedules",
    ]) {
      assert.ok(paths.includes(route), route);
    }
    const start = body.paths["/shadows/{shadow}/runs"].post;
    assert.deepEqual(Object.keys(start.requestBody.content["application/json"].schema.properties), [
      "experiments",
      "definitions",
      "seed",
      "skip",
    ]);
  });

  it("shows shadows, and names the ones there are when asked for another", async () => {
    assert.deepEqual((await get("/shadows")).body, { shadows: [{ name: "shop" }] });
    const { body } = await get("/shadows/shop");
    assert.deepEqual(body.links, ["web-1/eth0", "app-1/eth0", "data-1/eth0"]);
    assert.equal(body.machines.length, 3);
    const missing = await get("/shadows/shp");
    assert.equal(missing.status, 404);
    assert.equal(missing.body.error.code, "no-such-shadow");
    assert.match(missing.body.error.message, /did you mean "shop"/);
  });

  it("lists, checks, keeps and forgets experiments", async () => {
    const url = "/shadows/shop/experiments";
    assert.deepEqual(
      (await get(url)).body.experiments.map(({ name, source }: { name: string; source: string }) => [name, source]),
      [
        ["longOne", "stack"],
        ["slowApp", "stack"],
      ],
    );
    assert.deepEqual((await get(`${url}/slowApp`)).body.experiment, slowApp);
    assert.deepEqual((await post(url, { name: "mine", experiment: slowApp, check: true })).body, { valid: true });
    assert.equal((await get(`${url}/mine`)).status, 404);
    assert.equal((await post(url, { name: "mine", experiment: slowApp })).status, 201);
    assert.equal((await get(`${url}/mine`)).body.source, "api");
    assert.equal((await post(url, { name: "slowApp", experiment: slowApp })).body.error.code, "defined-by-stack");
    assert.equal((await ask("DELETE", `${url}/slowApp`)).status, 409);
    assert.equal((await ask("DELETE", `${url}/mine`)).status, 204);
    assert.equal((await get(`${url}/mine`)).status, 404);
  });

  it("refuses bad input with every problem at once and its path, and does nothing", async () => {
    const experiment = { actions: { a: { fault: "latncy", target: { machine: 7 }, durationSeconds: -1 } }, extra: 1 };
    const wrong = await post("/shadows/shop/experiments", { name: "bad", experiment });
    assert.equal(wrong.status, 400);
    assert.equal(wrong.body.error.code, "bad-input");
    assert.ok(wrong.body.error.problems.length >= 3);
    assert.ok(wrong.body.error.problems.some(({ path }: { path: string }) => path.includes("actions.a.fault")));
    const start = await post("/shadows/shop/runs", { experiments: [7, ""], seed: -1, more: true });
    assert.equal(start.status, 400);
    const paths = start.body.error.problems.map(({ path }: { path: string }) => path) as string[];
    for (const path of ["experiments[0]", "experiments[1]", "seed"]) assert.ok(paths.includes(path), paths.join());
    assert.match((await post("/shadows/shop/runs", {})).body.error.message, /name an experiment/);
    assert.equal((await post("/shadows/shop/runs", { experiments: ["slwApp"] })).body.error.code, "no-such-experiment");
    const definitions = { slowApp };
    assert.equal((await post("/shadows/shop/runs", { experiments: ["slowApp"], definitions })).status, 400);
    const malformed = await api.inject({
      method: "POST",
      url: "/halt",
      headers: { host: "shop.test:80", authorization: `Bearer ${token}`, "content-type": "application/json" },
      payload: "{",
    });
    assert.equal(malformed.statusCode, 400);
    assert.equal((await get("/runs?limit=0")).status, 400);
    assert.equal((await get("/runs/..%2f..%2fetc")).status, 400);
    assert.equal((await get("/runs/20260101-000000-aaaa/journal")).body.error.code, "no-such-run");
    assert.equal((await get("/nothing")).body.error.code, "no-such-route");
    assert.deepEqual((await get("/runs")).body, { runs: [] });
    assert.equal(bench.controller.halted, undefined);
  });

  it("carries a run out to its verdict, journal, report and metrics", async () => {
    const started = await post("/shadows/shop/runs", { experiments: ["slowApp"], seed: 5 });
    assert.equal(started.status, 202, started.text);
    assert.equal(started.headers["location"], `/runs/${started.body.id}`);
    assert.equal((await get("/shadows")).body.shadows[0].run, started.body.id);
    const early = await get(`/runs/${started.body.id}/report.html`);
    assert.equal(early.body.error.code, "still-running");
    const run = await ended(started.body.id as string);
    assert.equal(run.status, "completed");
    assert.deepEqual(run.experiments, ["slowApp"]);
    const { body: journal } = await get(`/runs/${run.id}/journal`);
    assert.equal(journal.seed, 5);
    assert.deepEqual(journal.command, ["shadownet", "run", "slowApp", "--network", "shop", "--seed", "5"]);
    const report = await get(`/runs/${run.id}/report.html`);
    assert.match(report.text, /^<!doctype html>/i);
    assert.match(String(report.headers["content-security-policy"]), /default-src 'none'/);
    assert.equal((await get("/runs")).body.runs[0].id, run.id);
    assert.match((await get("/metrics")).text, /shadownet_runs_ended_total\{status="completed",verdict="\w+"\} 1\n/);
    assert.equal((await post(`/runs/${run.id}/abort`)).body.error.code, "not-running");
    assert.deepEqual(bench.problems, []);
  });

  it("refuses a second run on a shadow, and aborts the first with its fault undone", async () => {
    const { body: run } = await post("/shadows/shop/runs", { experiments: ["longOne"] });
    const second = await post("/shadows/shop/runs", { experiments: ["slowApp"] });
    assert.equal(second.status, 409);
    assert.equal(second.body.error.code, "shadow-in-use");
    await eventually("the fault", () => bench.drivers.some(({ active }) => active.size > 0));
    assert.match((await get("/metrics")).text, /shadownet_fault_active\{shadow="shop",run="[\w-]+",fault="slow"\} 1/);
    const aborted = await post(`/runs/${run.id}/abort`, { reason: "seen enough" });
    assert.equal(aborted.status, 200);
    assert.notEqual(aborted.body.status, "running");
    assert.ok(bench.drivers.every(({ active }) => active.size === 0));
    assert.match((await get(`/runs/${run.id}/journal`)).body.statusReason as string, /seen enough/);
  });

  it("halts everything until released", async () => {
    const { body: run } = await post("/shadows/shop/runs", { definitions: { mine: longOne } });
    await eventually("the fault", () => bench.drivers.some(({ active }) => active.size > 0));
    const halted = await post("/halt", { reason: "incident 4711" });
    assert.deepEqual([halted.status, halted.body.halted, halted.body.failures], [200, true, []]);
    assert.equal((await ended(run.id as string)).status, "aborted");
    assert.ok(bench.drivers.every(({ active }) => active.size === 0));
    const refused = await post("/shadows/shop/runs", { experiments: ["slowApp"] });
    assert.deepEqual([refused.status, refused.body.error.code], [409, "halted"]);
    assert.match(refused.body.error.message as string, /incident 4711/);
    assert.equal((await get("/halt")).body.reason, "incident 4711");
    assert.match((await get("/metrics")).text, /shadownet_halted 1\n/);
    assert.equal((await post("/release")).body.halted, false);
    assert.equal((await post("/halt")).body.reason, "halted through the API");
    await post("/release");
  });

  it("streams the status of a run as server-sent events, from the beginning for whoever comes late", async () => {
    await api.listen({ host: "127.0.0.1", port: 0 });
    const { port } = api.server.address() as AddressInfo;
    const { body: run } = await post("/shadows/shop/runs", { experiments: ["slowApp"] });
    const headers = { host: "shop.test:80", authorization: `Bearer ${token}` };
    const read = async (): Promise<{ kinds: string[]; type: string | undefined; last: RunSummary }> => {
      const { get: request } = await import("node:http");
      const text = await new Promise<{ all: string; type?: string }>((resolve, reject) => {
        const url = `http://127.0.0.1:${port}/runs/${run.id}/events`;
        request(url, { headers }, (response) => {
          let all = "";
          response.setEncoding("utf8").on("data", (chunk: string) => (all += chunk));
          response.on("end", () => resolve({ all, type: response.headers["content-type"] }));
        }).on("error", reject);
      });
      const messages = text.all.split("\n\n").filter((message) => message.includes("event: "));
      const kinds = messages.map((message) => /^event: (.*)$/m.exec(message)![1]!);
      const last = JSON.parse(/^data: (.*)$/m.exec(messages.at(-1)!)![1]!) as RunSummary;
      return { kinds, type: text.type, last };
    };
    const [first, second] = await Promise.all([read(), read()]);
    for (const { kinds, type, last } of [first, second]) {
      assert.equal(type, "text/event-stream");
      assert.equal(kinds[0], "phase");
      assert.ok(kinds.includes("step") && kinds.includes("event"));
      assert.equal(kinds.at(-1), "end");
      assert.equal(kinds.filter((kind) => kind === "end").length, 1);
      assert.equal(last.status, "completed");
    }
    const late = await read();
    assert.deepEqual([late.kinds, late.last.status], [["end"], "completed"]);
  });

  it("shows alarms with their history, and takes an acknowledgement once", async () => {
    bench.alarms.push({ name: "slow", signal: "app.latency.p50", above: 5, forSeconds: 3, severity: "critical" });
    bench.alarms.push({ name: "nothing", signal: "machine.cpu", target: "web-1", above: 5, forSeconds: 3 });
    await bench.controller.watchers.reconcile();
    const states = async (): Promise<Record<string, string>> => {
      const { alarms } = (await get("/alarms")).body as { alarms: { name: string; state: string }[] };
      return Object.fromEntries(alarms.map(({ name, state }) => [name, state]));
    };
    assert.deepEqual(await states(), { slow: "noData", nothing: "noData" });
    await eventually("the alarm", async () => (await states())["slow"] === "firing");
    assert.equal(bench.drivers[0]!.intakeOpen, true, "alarms on traffic open the intake");
    const missing = (): boolean => bench.controller.alarmHistory.entries.some(({ name }) => name === "nothing");
    await eventually("the missing data", missing);
    assert.equal((await states())["nothing"], "noData");
    assert.match((await get("/metrics")).text, /shadownet_alarm_state\{.*alarm="slow".*state="firing"\} 1/);
    assert.match((await get("/metrics")).text, /app_latency_seconds\{.*side="live",percentile="95"\} 0\.0/);
    assert.equal((await post("/alarms/shop/slow/acknowledge")).status, 200);
    assert.equal((await states())["slow"], "acknowledged");
    assert.equal((await post("/alarms/shop/slow/acknowledge")).body.error.code, "not-firing");
    assert.equal((await post("/alarms/shop/slw/acknowledge")).body.error.code, "no-such-alarm");
    const history = (await get("/alarms")).body.history as { name: string; state: string }[];
    assert.deepEqual(
      history.filter(({ name }) => name === "slow").map(({ state }) => state),
      ["firing", "acknowledged"],
    );
  });
});
