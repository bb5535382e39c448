import assert from "node:assert/strict";
import { type ChildProcess, spawn } from "node:child_process";
import { readFileSync, readdirSync } from "node:fs";
import { readdir, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { type CommandResult, tryRun } from "../../components/internal/exec";
import { gatewayPid } from "../../components/lab/kernel/gatewayProcess";
import { readMirror } from "../../components/lab/kernel/mirror";
import { applianceNamespace, machineNamespace, networkFolder } from "../../components/lab/kernel/names";
import { listNamespaces, removeNamespaces } from "../../components/lab/kernel/namespaces";
import { deleteNetwork } from "../../components/lab/kernel/network";
import type { Topology } from "../../components/topology";
import { type EngineProject, makeEngineProject, repository } from "../support/engine";
import { buildPair, pairTopology, privateState, uniqueName } from "../support/labPair";

const name = uniqueName("m");
const stack = uniqueName("ms");
const network = uniqueName("mn");
const production = uniqueName("mp");

const program = `
const { LabShadowEnvironment } = require("shadownet/lab");
const settings = JSON.parse(require("node:fs").readFileSync(__dirname + "/settings.json", "utf8"));
const shadow = new LabShadowEnvironment(${JSON.stringify(name)}, settings);
module.exports = { networkId: shadow.networkId };`;

function settings(command = ["sleep", "10000"], more: object = {}): object {
  const machines: Topology["machines"] = ["10.90.1.11", "10.90.1.12", "10.90.1.13"].map((address, index) => ({
    name: `web-${index + 1}`,
    workload: { command },
    interfaces: [{ name: "eth0", subnet: "front", addresses: [address] }],
  }));
  return {
    topology: { ...pairTopology, machines },
    networkName: network,
    production,
    mirror: { percent: 50 },
    ...more,
  };
}

/** What a user meets at bad moments, through `shadownet up` and `shadownet down` on the project's own back end. */
describe("bad moments of up and down", function () {
  this.timeout(600_000);
  const cleanUps: (() => Promise<unknown>)[] = [];
  let project: EngineProject;

  const argv = (command: string): string[] => [
    process.execPath,
    join(repository, "tools", "bin", "shadownet.mjs"),
    ...[command, "--stack", stack, "--cwd", project.folder],
  ];
  const shadownet = (command: string): Promise<CommandResult> =>
    tryRun(argv(command), { timeoutMilliseconds: 300_000, cwd: project.folder });
  const write = (content: object): Promise<void> => project.write("settings.json", JSON.stringify(content));
  /** As the engine leaves them when it is killed while it writes them. */
  const spoilAttributes = async (): Promise<void> => {
    const stacks = join(repository, ".shadownet", "pulumi", ".pulumi", "stacks");
    const files = (await readdir(stacks, { recursive: true })).filter((name) => name.endsWith(`${stack}.json.attrs`));
    assert.ok(files.length > 0, "the engine keeps no attributes");
    for (const name of files) await truncate(join(stacks, name));
  };
  const up = async (): Promise<void> => {
    const { code, stderr } = await shadownet("up");
    assert.equal(code, 0, stderr);
    assert.notEqual(await gatewayPid(network), undefined);
    assert.notEqual(await readMirror(network), undefined);
    assert.equal((await listNamespaces(`${network}.web-`)).length, 3);
  };

  before(async () => {
    cleanUps.push(await privateState(), await buildPair(production, "production"));
    project = await makeEngineProject({
      program,
      providers: [{ name: "shadownetlab", path: join(repository, "components", "lab", "provider", "bin") }],
      files: { "settings.json": JSON.stringify(settings()) },
    });
    cleanUps.push(
      () => project.dispose(),
      () => shadownet("down"),
    );
  });

  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  it("refuses bad settings with exit code 2, every problem, no stack trace, and nothing made", async () => {
    const cut = { fault: "linkDown", target: { link: "nowhere/eth0" }, durationSeconds: 5 };
    await write(settings(undefined, { mirror: { percent: 101 }, experiments: { lost: { actions: { cut } } } }));
    const { code, stderr } = await shadownet("up");
    assert.equal(code, 2, stderr);
    assert.match(stderr, /arguments of LabShadowEnvironment: 2 problems/);
    assert.match(stderr, /mirror\.percent: 101 is too large; at most 100/);
    assert.match(stderr, /experiments\.lost\.actions\.cut\.target\.link: .*nowhere\/eth0/);
    assert.doesNotMatch(stderr, /\n\s+at .*:\d+:\d+/);
    assert.deepEqual(await listNamespaces(`${network}.`), []);
  });

  it("builds the whole network after the engine and all of its children were killed at any moment", async () => {
    await write(settings());
    for (const wait of [0, 300, 1200]) {
      const child = spawn(argv("up")[0]!, argv("up").slice(1), { cwd: project.folder, stdio: "ignore" });
      const ended = new Promise((resolve) => child.once("close", resolve));
      await until(() => descendants(child).some(({ name: own }) => own.startsWith("pulumi-resource")) || exited(child));
      await delay(wait);
      for (const { pid } of [...descendants(child), { pid: child.pid! }]) kill(pid);
      await ended;
    }
    await spoilAttributes();
    await up();
  });

  it("leaves nothing when the engine was killed and the next command is down, and down again does nothing", async () => {
    await write(settings(["sleep", "9999"]));
    const child = spawn(argv("up")[0]!, argv("up").slice(1), { cwd: project.folder, stdio: "ignore" });
    const ended = new Promise((resolve) => child.once("close", resolve));
    await until(() => descendants(child).some(({ name: own }) => own.startsWith("pulumi-resource")) || exited(child));
    await delay(600);
    for (const { pid } of [...descendants(child), { pid: child.pid! }]) kill(pid);
    await ended;
    for (let time = 0; time < 2; time++) {
      const { code, stdout, stderr } = await shadownet("down");
      assert.equal(code, 0, stderr);
      assert.match(stdout, /nothing is left/);
      assert.deepEqual(await listNamespaces(`${network}.`), []);
    }
    await buildPair(production, "production");
  });

  it("says which workload died and what it wrote, and goes on when that is mended", async () => {
    await write(settings(["sh", "-c", "echo no such configuration >&2; exit 3"]));
    const { code, stderr } = await shadownet("up");
    assert.equal(code, 1, stderr);
    assert.match(stderr, /the workload of machine "web-\d" died at its start; it wrote:\s+no such configuration/);
    await write(settings());
    await up();
  });

  it("makes again what died: the gateway, production with its mirror, machines, spoilt records", async () => {
    process.kill((await gatewayPid(network))!, "SIGKILL");
    await deleteNetwork(production);
    const { code, stderr } = await shadownet("up");
    assert.notEqual(code, 0);
    assert.match(stderr, new RegExp(`there is no production network "${production}" on this host to mirror from`));
    await buildPair(production, "production");
    await removeNamespaces([machineNamespace(network, "web-1")]);
    await writeFile(join(networkFolder(network), "machines", "web-2", "machine.json"), '{"half');
    await writeFile(join(networkFolder(network), "mirror.json"), "");
    await writeFile(join(networkFolder(network), "shadow.json"), "[");
    await up();
  });

  it("goes down when half of it was deleted by hand and the record of the network is spoilt", async () => {
    await removeNamespaces([applianceNamespace(network, "router"), machineNamespace(network, "web-3")]);
    await writeFile(join(networkFolder(network), "network.json"), '{"half');
    const { code, stdout, stderr } = await shadownet("down");
    assert.equal(code, 0, stderr);
    assert.match(stdout, /nothing is left/);
    assert.deepEqual(await listNamespaces(`${network}.`), []);
  });
});

interface Process {
  pid: number;
  name: string;
}

function descendants(child: ChildProcess): Process[] {
  const all = readdirSync("/proc")
    .filter((entry) => /^\d+$/.test(entry))
    .flatMap((entry) => statOf(Number(entry)));
  const found: (Process & { parent: number })[] = [];
  let parents = [child.pid!];
  while (parents.length > 0) {
    const next = all.filter(({ parent }) => parents.includes(parent));
    found.push(...next);
    parents = next.map(({ pid }) => pid);
  }
  return found;
}

function statOf(pid: number): (Process & { parent: number })[] {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, "utf8");
    const commandLine = readFileSync(`/proc/${pid}/cmdline`, "utf8");
    const parent = Number(stat.slice(stat.lastIndexOf(")") + 2).split(" ")[1]);
    const name =
      commandLine.includes("provider/main") || commandLine.includes("pulumi-resource-shadownetlab")
        ? "pulumi-resource-shadownetlab"
        : "";
    return [{ pid, parent, name }];
  } catch {
    return [];
  }
}

function kill(pid: number): void {
  try {
    process.kill(pid, "SIGKILL");
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "ESRCH") throw error;
  }
}

function exited({ exitCode, signalCode }: ChildProcess): boolean {
  return exitCode !== null || signalCode !== null;
}

async function until(condition: () => boolean): Promise<void> {
  const deadline = Date.now() + 60_000;
  while (!condition()) {
    if (Date.now() > deadline) throw new Error("it did not happen within 60 s");
    await delay(20);
  }
}
