import assert from "node:assert/strict";
import { mkdtemp, readFile, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { ExperimentAction } from "../../components/experiment";
import { run } from "../../components/internal/exec";
import { machineNamespace } from "../../components/lab/kernel/names";
import { listNamespaces } from "../../components/lab/kernel/namespaces";
import type { Topology } from "../../components/topology";
import { leftovers } from "../lab/networkFixture";
import { startRun } from "../support/drillBed";
import { type EngineProject, makeEngineProject, repository } from "../support/engine";
import { buildPair, inside, pairTopology, privateState, startIn, uniqueName } from "../support/labPair";

const name = uniqueName("d");
const network = `${name}-dev`;
const production = uniqueName("dp");

const server = "require('node:http').createServer((question, answer) => answer.end('hello')).listen(80)";
const client = `
setInterval(() => {
  const options = { host: "10.90.1.11", path: "/", agent: false, timeout: 2000 };
  require("node:http").get(options, (answer) => answer.resume()).on("error", () => {});
}, 50);
console.log("ready");`;

const machines: Topology["machines"] = ["10.90.1.11", "10.90.1.12"].map((address, index) => ({
  name: `web-${index + 1}`,
  workload: { command: ["node", "-e", server] },
  interfaces: [{ name: "eth0", subnet: "front", addresses: [address] }],
}));

const program = `
const { LabShadowEnvironment } = require("shadownet/lab");
const settings = ${JSON.stringify({ topology: { ...pairTopology, machines }, production, mirror: { percent: 100 } })};
const shadow = new LabShadowEnvironment(${JSON.stringify(name)}, settings);
module.exports = { networkId: shadow.networkId };`;

/** One of each way to hold on to a machine: a relay and rules, a group's limit, a carrier, a frozen group. */
const actions: Record<string, ExperimentAction> = {
  slow: { fault: "latency", target: { machine: "web-1" }, delayMilliseconds: 30, durationSeconds: 300 },
  busy: { fault: "cpuExhaustion", target: { machine: "web-1" }, sharePercent: 50, durationSeconds: 300 },
  hung: { fault: "machineHang", target: { machine: "web-2" }, durationSeconds: 300 },
};

const experiment = {
  actions,
  blastRadius: { percent: 100, durationSeconds: 600 },
  analysis: { baselineSeconds: 0.5, recoverySeconds: 0.5, settleSeconds: 0, stepSeconds: 0.5 },
};

describe("destroying a shadow in the middle of a fault, through the real engine", function () {
  this.timeout(600_000);
  const cleanUps: (() => Promise<unknown>)[] = [];
  let project: EngineProject;
  let folder: string;
  let original: string[];

  before(async () => {
    cleanUps.push(await privateState(), await buildPair(production, "production"));
    const programs = [
      await startIn(inside(production, "web-1"), `${server}.on("listening", () => console.log("ready"))`),
      await startIn(inside(production, "client-1"), client),
    ];
    cleanUps.push(() => {
      for (const each of programs) each.kill("SIGKILL");
      return Promise.resolve();
    });
    folder = await mkdtemp(join(tmpdir(), "shadownet-destroy-"));
    cleanUps.push(() => rm(folder, { recursive: true }));
    project = await makeEngineProject({
      program,
      providers: [{ name: "shadownetlab", path: join(repository, "components", "lab", "provider", "bin") }],
      environment: { SHADOWNET_STATE: process.env.SHADOWNET_STATE! },
    });
    cleanUps.push(() => project.dispose());
    original = await dump();
  });

  after(async () => {
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  /** What of this host a shadow and its faults could leave changed. */
  async function dump(): Promise<string[]> {
    const namespaces = (await listNamespaces(`${production}.`)).map((each) => `ip netns exec ${each}`);
    const kernel = ["nft list ruleset", "tc qdisc show", "ip -o link", "ip -4 route", "ip -6 route"];
    const commands = ["", ...namespaces].flatMap((inside) => kernel.map((command) => `${inside} ${command}`));
    const text = await run(["sh", "-c", `ls /run/netns; ${commands.join("; ")}`]);
    const groups = await run(["sh", "-c", `find /sys/fs/cgroup -type d -name '*${network}*'; true`]);
    const claims = await readdir("/run/shadownet/claims").catch(() => [] as string[]);
    return [...text.split("\n"), groups, ...claims.filter((each) => each !== "lock"), ...(await processes())];
  }

  /** Processes that belong to the shadow: they name its state folder or its network. */
  async function processes(): Promise<string[]> {
    const pids = (await readdir("/proc")).filter((each) => /^\d+$/.test(each) && Number(each) !== process.pid);
    const lines = await Promise.all(
      pids.map(async (pid) => (await readFile(`/proc/${pid}/cmdline`, "utf8").catch(() => "")).replaceAll("\0", " ")),
    );
    const marks = [join(process.env.SHADOWNET_STATE!, "lab", network), `--network ${network}`];
    return lines.filter((line) => marks.some((mark) => line.includes(mark))).sort();
  }

  async function destroyInMidFault(what: string, happens: () => Promise<unknown>): Promise<void> {
    const up = await project.up();
    assert.equal(up.code, 0, up.stdout + up.stderr);
    const runs = join(folder, what);
    const options = ["--runs", runs, "--json", "--skip-fidelity-gate"];
    const running = await startRun({ network, name: what, experiment, folder, runs }, options);
    try {
      await running.event("fault-started", Object.keys(actions).length);
      await running.event("containment-held", 2);
      await happens();
      const destroyed = await project.destroy();
      assert.equal(destroyed.code, 0, destroyed.stdout + destroyed.stderr);
      assert.deepEqual(await leftovers(network), []);
      const code = await running.ended;
      assert.notEqual(code, 0, running.said);
      const journal = (await running.journal())!;
      assert.equal(journal.status, "failed");
      assert.equal(journal.statusReason, `the shadow "${network}" is gone: it was destroyed while it was in use`);
      assert.equal(journal.events.at(-1)!.kind, "undone");
      assert.deepEqual(await dump(), original);
    } finally {
      await running.kill(true);
    }
  }

  it("succeeds while a machine hangs, leaves nothing, and the run says that its shadow is gone", () =>
    destroyInMidFault("hanging", () => Promise.resolve()));

  it("also when the namespace of a machine was deleted before", () =>
    destroyInMidFault("namespace", () => run(["ip", "netns", "delete", machineNamespace(network, "web-1")])));
});
