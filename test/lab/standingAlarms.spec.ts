import assert from "node:assert/strict";
import { readFileSync, mkdtempSync, rmSync } from "node:fs";
import { type Server, createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { Experiment } from "../../components/experiment";
import { openLabDriver } from "../../components/lab/driver";
import { stateFolder } from "../../components/lab/kernel/names";
import type { AlarmRule } from "../../components/monitor";
import type { ConsoleBackEnd } from "../../components/runtime/console/backEnd";
import { type Serving, serve } from "../../components/runtime/console/serve";
import { halt, release } from "../../components/runtime/runner/halt";
import type { AlertmanagerMessage } from "../../components/runtime/runner/notify";

import { type LiveLab, openLiveLab } from "../support/liveLab";
import { eventually } from "../unit/runtime/console/support";

const rule: AlarmRule = { name: "failing", signal: "app.errors", above: 0.3, forSeconds: 5, severity: "critical" };

const nothing: Experiment = {
  actions: { nothing: { waitSeconds: 2 } },
  analysis: { baselineSeconds: 3, recoverySeconds: 1 },
};

/** What the API says of alarms. */
interface Alarms {
  alarms: { name: string; state: string; value?: number }[];
  history: { name: string; state: string }[];
}

describe("alarms of a real mirror without a run", function () {
  this.timeout(300_000);
  let lab: LiveLab;
  let serving: Serving;
  let token: string;
  let webhook: Server;
  const folder = mkdtempSync(join(tmpdir(), "shadownet-alarms-"));
  const told: AlertmanagerMessage[] = [];
  const problems: string[] = [];

  const call = async <T>(path: string, body?: object): Promise<T> => {
    const response = await fetch(`http://${serving.address}${path}`, {
      headers: { authorization: `Bearer ${token}`, ...(body && { "content-type": "application/json" }) },
      ...(body && { method: "POST", body: JSON.stringify(body) }),
    });
    assert.ok(response.ok, `${path}: ${response.status} ${await response.clone().text()}`);
    return (await response.json()) as T;
  };
  const state = async (): Promise<string | undefined> => (await call<Alarms>("/alarms")).alarms[0]?.state;
  const isOpen = async (): Promise<boolean> => (await (await openLabDriver(lab.shadow)).mirror()).intakeOpen;

  before(async () => {
    lab = await openLiveLab("sa", 20);
    webhook = createServer((request, response) => {
      let text = "";
      request.on("data", (part: Buffer) => (text += part.toString()));
      request.on("end", () => {
        told.push(JSON.parse(text) as AlertmanagerMessage);
        response.end();
      });
    });
    await new Promise<void>((resolve) => webhook.listen(0, "127.0.0.1", resolve));
    const url = `http://127.0.0.1:${(webhook.address() as AddressInfo).port}/`;
    const backEnd: ConsoleBackEnd = {
      shadows: () => Promise.resolve([lab.shadow]),
      open: openLabDriver,
      experiments: () => Promise.resolve({ nothing }),
      monitor: () => Promise.resolve({ alarms: [rule], notify: [url] }),
      problems: () => Promise.resolve([]),
    };
    const tokenFile = join(folder, "token");
    const address = { host: "127.0.0.1", port: 0 };
    const folders = { stateFolder: stateFolder(), runsFolder: join(folder, "runs") };
    const onProblem = (problem: string): void => void problems.push(problem);
    serving = await serve({ backEnd, ...folders, versions: {}, version: "1.2.3", tokenFile, address, onProblem });
    token = readFileSync(tokenFile, "utf8").trim();
  });

  after(async () => {
    await serving.close("the test is over");
    webhook.close();
    await lab.close();
    rmSync(folder, { recursive: true, force: true });
  });

  it("are judged on traffic that it lets in by itself, after a probe", async () => {
    await eventually("an alarm that is all right", async () => (await state()) === "ok", 120);
    assert.equal(await isOpen(), true);
    assert.deepEqual(problems, []);
  });

  it("fire when the shadow hangs, are acknowledged once, and resolve when it serves again", async () => {
    lab.shadowService.kill("SIGSTOP");
    await eventually("the alarm", async () => (await state()) === "firing", 60);
    await call(`/alarms/${lab.shadow}/${rule.name}/acknowledge`, {});
    assert.equal(await state(), "acknowledged");
    lab.shadowService.kill("SIGCONT");
    await eventually("its end", async () => (await state()) === "ok", 60);
    const { history } = await call<Alarms>("/alarms");
    assert.deepEqual(
      history.map((entry) => entry.state),
      ["firing", "acknowledged", "resolved"],
    );
  });

  it("go on through a run, which leaves the intake open", async () => {
    const run = await call<{ id: string }>(`/shadows/${lab.shadow}/runs`, { experiments: ["nothing"] });
    const ended = async (): Promise<boolean> =>
      (await call<{ status: string }>(`/runs/${run.id}`)).status !== "running";
    await eventually("the end of the run", ended, 120);
    assert.equal((await call<{ status: string }>(`/runs/${run.id}`)).status, "completed");
    assert.equal(await isOpen(), true);
    assert.equal(await state(), "ok");
  });

  it("have no data while runs are halted, because the intake is closed", async () => {
    await halt(stateFolder(), "the test says so");
    await eventually("the closed intake", async () => !(await isOpen()), 30);
    await eventually("no data", async () => (await state()) === "noData", 60);
    await release(stateFolder());
    await eventually("data again", async () => (await state()) === "ok", 60);
  });

  it("have no data when the traffic stops: never all right", async () => {
    lab.clients.kill("SIGKILL");
    await eventually("no data", async () => (await state()) === "noData", 60);
    assert.equal(await isOpen(), true);
  });

  it("told the webhook every change, in Alertmanager's format", async () => {
    const said = (): string[] =>
      told.map(({ status, alerts }) => `${status} ${alerts[0]!.labels["reason"] ?? alerts[0]!.labels["alertname"]}`);
    await eventually("all messages", () => told.length >= 5, 20);
    const expected = ["firing failing", "resolved failing", "firing noData", "resolved failing", "firing noData"];
    assert.deepEqual(said(), expected);
    assert.ok(told.every(({ alerts }) => alerts[0]!.labels["severity"] === "critical"));
  });

  it("let the intake go at its end", async () => {
    await serving.close("the test is over");
    assert.equal(await isOpen(), false);
  });
});
