import assert from "node:assert/strict";
import { readFile, rm } from "node:fs/promises";
import { join } from "node:path";

import { run } from "../../components/internal/exec";
import { gatewayPid } from "../../components/lab/kernel/gatewayProcess";
import { crashMachine, deleteMachine, machineStatus } from "../../components/lab/kernel/machine";
import { readMirror } from "../../components/lab/kernel/mirror";
import { applianceNamespace, machineNamespace, networkFolder } from "../../components/lab/kernel/names";
import { listNamespaces, namespacePath, removeNamespaces } from "../../components/lab/kernel/namespaces";
import type { Topology } from "../../components/topology";
import { type EngineProject, type EngineResult, makeEngineProject, repository } from "../support/engine";
import { buildPair, pairTopology, privateState, uniqueName } from "../support/labPair";

const name = uniqueName("e");
const network = `${name}-dev`;
const production = uniqueName("ep");

const program = `
const { LabShadowEnvironment } = require("shadownet/lab");
const settings = JSON.parse(require("node:fs").readFileSync(__dirname + "/settings.json", "utf8"));
const shadow = new LabShadowEnvironment(${JSON.stringify(name)}, settings);
module.exports = { networkId: shadow.networkId, machineIds: shadow.machineIds, fidelity: shadow.fidelity, gatewayUrl: shadow.gatewayUrl };`;

interface Settings {
  topology: Topology;
  production: string;
  mirror?: { percent: number };
  scale?: { machines: string; replicas?: number; cpus?: number }[];
  experiments?: Record<string, object>;
}

function machine(own: string, address: string, seconds = 10_000): Topology["machines"][number] {
  const command = ["sleep", String(seconds)];
  return { name: own, workload: { command }, interfaces: [{ name: "eth0", subnet: "front", addresses: [address] }] };
}

function settings(
  changes: Partial<Settings> = {},
  machines = [machine("web-1", "10.90.1.11"), machine("db-1", "10.90.1.21")],
): Settings {
  const topology = { ...pairTopology, machines };
  const cut = { fault: "linkDown", target: { link: "db-1/eth0" }, durationSeconds: 5 };
  return { topology, production, mirror: { percent: 25 }, experiments: { dbLink: { actions: { cut } } }, ...changes };
}

describe("the lab through the real engine", function () {
  this.timeout(600_000);
  const cleanUps: (() => Promise<unknown>)[] = [];
  let project: EngineProject;

  const write = (content: Settings): Promise<void> => project.write("settings.json", JSON.stringify(content));
  const done = (result: EngineResult): EngineResult => {
    assert.equal(result.code, 0, result.stdout + result.stderr);
    return result;
  };
  /** What an operation did beside leaving things as they are. */
  const changes = ({ steps }: EngineResult): string[] =>
    steps.filter(({ operation }) => operation !== "same").map((step) => `${step.operation} ${step.name}`);

  before(async () => {
    cleanUps.push(await privateState(), await buildPair(production, "production"));
    project = await makeEngineProject({
      program,
      providers: [{ name: "shadownetlab", path: join(repository, "components", "lab", "provider", "bin") }],
      environment: { SHADOWNET_STATE: process.env.SHADOWNET_STATE! },
      files: { "settings.json": JSON.stringify(settings()) },
    });
    cleanUps.push(() => project.dispose());
  });

  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  it("refuses a bad topology with every problem at once, and makes nothing", async () => {
    const bad = settings({ mirror: { percent: 25 } }, [machine("web-1", "10.91.1.11"), machine("web-1", "10.90.1.11")]);
    bad.topology.machines[1]!.interfaces[0]!.subnet = "fron";
    await write(bad);
    const { code, stdout, diagnostics } = await project.up();
    const said = stdout + diagnostics.map(({ message }) => message).join("\n");
    assert.notEqual(code, 0);
    assert.match(said, /machines\[0\]\.interfaces\[0\]\.addresses\[0\]/);
    assert.match(said, /"10\.91\.1\.11" lies outside subnet "front" 10\.90\.1\.0\/24/);
    assert.match(said, /no subnet "fron"; did you mean "front"\?/);
    assert.match(said, /the name "web-1" is taken/);
    assert.deepEqual(await listNamespaces(`${network}.`), []);
    // The component itself is known to the engine by then; no resource is.
    const { resources = [] } = (await project.exportState()).deployment;
    assert.ok(!resources.some(({ type }) => type.startsWith("shadownetlab:index:")));
  });

  it("makes everything", async () => {
    await write(settings());
    const made = done(await project.up()).steps.filter(({ operation }) => operation === "create");
    assert.deepEqual(made.map((step) => step.name.slice(name.length)).sort(), [
      "-experiment-dbLink",
      "-experiment-dbLink-definition",
      "-mirror",
      "-mirror-gateway",
      "-mirror-session",
      "-network",
      "-network-machine-db-1",
      "-network-machine-web-1",
      "-network-network",
      "-network-subnet-front",
    ]);
    const resources = (await project.exportState()).deployment.resources ?? [];
    const own = resources.filter(({ type }) => type.startsWith("shadownetlab:index:"));
    const ancestor = "::shadownet:index:LabShadowEnvironment$";
    assert.deepEqual(
      own.filter(({ urn }) => !urn.includes(ancestor)),
      [],
      "every child descends from the component",
    );
    const outputs = await project.outputs();
    assert.equal(outputs.networkId, network);
    assert.deepEqual(outputs.machineIds, [`${network}/web-1`, `${network}/db-1`]);
    const addresses = await run(["ip", "-n", machineNamespace(network, "web-1"), "-o", "addr", "show", "dev", "eth0"]);
    assert.match(addresses, /10\.90\.1\.11\/24/);
    assert.equal((await readMirror(network))?.spec.percent, 25);
    const experiment = JSON.parse(
      await readFile(join(networkFolder(network), "experiments", "dbLink.json"), "utf8"),
    ) as object;
    assert.deepEqual(experiment, settings().experiments!.dbLink);
    const record = JSON.parse(await readFile(join(networkFolder(network), "shadow.json"), "utf8")) as {
      production: string;
    };
    assert.equal(record.production, production);
  });

  it("has nothing to do the second time, nor after a refresh", async () => {
    assert.deepEqual(changes(done(await project.up())), []);
    done(await project.refresh());
    assert.deepEqual(changes(done(await project.up())), []);
  });

  it("changes the share in place, and nothing else", async () => {
    const pid = await gatewayPid(network);
    await write(settings({ mirror: { percent: 40.5 } }));
    const result = done(await project.up());
    const wrapped = changes(result).filter((change) => !change.endsWith("-mirror") && !change.endsWith(name));
    assert.deepEqual(wrapped.sort(), [`update ${name}-mirror-gateway`, `update ${name}-mirror-session`]);
    const session = result.steps.find((step) => step.name === `${name}-mirror-session`)!;
    assert.deepEqual(session.differences, { percent: "update" });
    assert.equal((await readMirror(network))?.spec.percent, 40.5);
    assert.equal(await gatewayPid(network), pid, "the gateway was not restarted");
  });

  it("adds and removes by scaling, and leaves the others alone", async () => {
    const pids = async (): Promise<unknown[]> =>
      Promise.all(["web-1", "db-1"].map(async (each) => (await machineStatus(network, each))?.pid));
    const before = await pids();
    await write(settings({ mirror: { percent: 40.5 }, scale: [{ machines: "web-*", replicas: 3 }] }));
    const up = done(await project.up());
    assert.equal(up.counts.create, 2);
    assert.equal(up.counts.replace + up.counts.delete, 0);
    assert.equal((await machineStatus(network, "web-3"))?.running, true);
    await write(settings({ mirror: { percent: 40.5 } }));
    const down = done(await project.up());
    assert.equal(down.counts.delete, 2);
    assert.equal(await machineStatus(network, "web-3"), undefined);
    assert.deepEqual(await pids(), before);
  });

  it("restarts one machine when its workload changes", async () => {
    const [web, db] = await Promise.all(
      ["web-1", "db-1"].map(async (each) => (await machineStatus(network, each))?.pid),
    );
    await write(
      settings({ mirror: { percent: 40.5 } }, [machine("web-1", "10.90.1.11", 20_000), machine("db-1", "10.90.1.21")]),
    );
    const result = done(await project.up());
    const step = result.steps.find((each) => each.name.endsWith("machine-web-1"))!;
    assert.deepEqual([step.operation, step.differences], ["update", { "workload.command[1]": "update" }]);
    assert.notEqual((await machineStatus(network, "web-1"))?.pid, web);
    assert.equal((await machineStatus(network, "db-1"))?.pid, db);
  });

  it("sees what was killed and deleted, and makes it again", async () => {
    await crashMachine(network, "db-1");
    await deleteMachine(network, "web-1");
    process.kill((await gatewayPid(network))!, "SIGKILL");
    done(await project.refresh());
    const resources = (await project.exportState()).deployment.resources ?? [];
    const inputs = (id: string): Record<string, unknown> | undefined =>
      resources.find((each) => each.id === id)?.inputs;
    assert.equal(inputs(`${network}/web-1`), undefined, "the deleted machine is gone from the state");
    assert.equal(inputs(`${network}/db-1`)?.workload, undefined, "the crashed machine runs nothing");
    assert.equal(inputs(`${network}/@gateway`)?.process, "dead");
    const { steps } = done(await project.up());
    const operations = new Map(steps.map((step) => [step.name, step.operation]));
    assert.equal(operations.get(`${name}-network-machine-web-1`), "create");
    assert.equal(operations.get(`${name}-network-machine-db-1`), "update");
    assert.equal(operations.get(`${name}-mirror-gateway`), "update");
    for (const each of ["web-1", "db-1"]) assert.equal((await machineStatus(network, each))?.running, true);
    assert.notEqual(await gatewayPid(network), undefined);
  });

  it("builds a second stack of the same program beside the first", async () => {
    const second = await project.withStack("other");
    done(await second.up());
    assert.equal((await second.outputs()).networkId, `${name}-other`);
    const mirrors = await Promise.all([network, `${name}-other`].map((each) => readMirror(each)));
    assert.ok(
      mirrors.every((mirror) => mirror !== undefined),
      "both shadows are mirrored to",
    );
    done(await second.destroy());
    assert.deepEqual(await listNamespaces(`${name}-other.`), []);
    assert.notEqual(await readMirror(network), undefined, "the first is still mirrored to");
  });

  it("refuses a second operation on the same network at the same time", async () => {
    const router = applianceNamespace(network, "router");
    const lock = join(process.env.SHADOWNET_STATE!, "locks", network);
    const stat = await readFile(`/proc/${process.pid}/stat`, "utf8");
    const { writeFile } = await import("node:fs/promises");
    await writeFile(lock, `${process.pid} ${stat.replace(/^.*\) /s, "").split(" ")[19]!}`);
    await write(settings({ mirror: { percent: 1 } }));
    const { code, stdout } = await project.up();
    assert.notEqual(code, 0);
    assert.match(stdout, new RegExp(`another operation \\(process ${process.pid}\\) is changing "${network}"`));
    await writeFile(lock, "999999999 1");
    done(await project.up());
    assert.ok((await run(["ip", "-n", router, "link"])).includes("lo"));
  });

  it("destroys everything after half of it was deleted by hand, and gives production back", async () => {
    await removeNamespaces([machineNamespace(network, "web-1"), applianceNamespace(network, "gateway")]);
    await rm(join(networkFolder(network), "machines", "db-1"), { recursive: true, force: true });
    done(await project.destroy());
    assert.deepEqual(await listNamespaces(`${network}.`), []);
    await assert.rejects(readFile(join(networkFolder(network), "network.json")), { code: "ENOENT" });
    const path = namespacePath(applianceNamespace(production, "router"));
    const left = await run([
      "nsenter",
      `--net=${path}`,
      "sh",
      "-c",
      "nft list ruleset | grep shadownet_; ip -o link | grep mirror: || true",
    ]);
    assert.equal(left.trim(), "");
  });
});
