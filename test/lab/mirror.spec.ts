import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { setTimeout as delay } from "node:timers/promises";

import { run } from "../../components/internal/exec";
import { createMirror, deleteMirror, readMirror, updateMirror } from "../../components/lab/kernel/mirror";
import { applianceNamespace, mirrorVni } from "../../components/lab/kernel/names";
import { ipBatch, namespacePath, removeNamespaces } from "../../components/lab/kernel/namespaces";
import type { LabMirrorSpec } from "../../components/lab/kernel/specs";
import { buildPair, inside, privateState, startIn, uniqueName } from "../support/labPair";

const production = uniqueName("mp");
const shadow = uniqueName("ms");
const gateway = applianceNamespace(shadow, "gateway");
const router = applianceNamespace(production, "router");

const server = `
require("node:http").createServer((q, s) => s.end("hello")).listen({ port: 80, host: "::", ipv6Only: false }, () => console.log("ready"));`;

/** Prints one JSON object on demand: packets per flow of what the tunnel brought, client first. */
const collector = `
const flows = {}; let packets = 0;
const socket = require("node:dgram").createSocket({ type: "udp4", recvBufferSize: 8 << 20 });
socket.on("message", (m) => {
  packets++;
  const ip = m.subarray(22), six = ip[0] >> 4 === 6;
  const tcp = six ? ip.subarray(40) : ip.subarray((ip[0] & 15) * 4);
  const [s, d] = six ? [ip.subarray(8, 24), ip.subarray(24, 40)] : [ip.subarray(12, 16), ip.subarray(16, 20)];
  const from = s.toString("hex") + ":" + tcp.readUInt16BE(0), to = d.toString("hex") + ":" + tcp.readUInt16BE(2);
  const forth = tcp.readUInt16BE(2) === 80, key = forth ? from : to;
  const flow = (flows[key] ??= { forth: 0, back: 0, syn: 0, fin: 0 });
  flow[forth ? "forth" : "back"]++;
  if (tcp[13] & 2) flow.syn++;
  if (tcp[13] & 1) flow.fin++;
});
socket.bind(4789, "100.64.1.2", () => console.log("ready"));
process.stdin.on("data", () => console.log(JSON.stringify({ packets, flows })));`;

const spec = (changes: Partial<LabMirrorSpec> = {}): LabMirrorSpec => ({
  network: shadow,
  production,
  vni: mirrorVni(shadow),
  percent: 25,
  seed: 7,
  sampleBy: "flow",
  include: [],
  exclude: [],
  services: [{ addresses: ["10.90.1.11", "fd00:90:0:1::11"], port: 80, protocol: "tcp" }],
  ...changes,
});

interface Collected {
  packets: number;
  flows: Record<string, { forth: number; back: number; syn: number; fin: number }>;
}

describe("the lab's mirror", function () {
  this.timeout(120_000);
  const cleanUps: (() => Promise<unknown>)[] = [];
  let web: ChildProcess;

  before(async () => {
    cleanUps.push(await privateState(), await buildPair(production, "production"));
    await ipBatch(undefined, [`netns add ${gateway}`]);
    cleanUps.push(() => removeNamespaces([gateway]));
    await ipBatch(gateway, ["link set lo up", "address add 100.64.1.2/32 dev lo"]);
    web = await startIn(inside(production, "web-1"), server);
  });

  after(async () => {
    web.kill("SIGKILL");
    await deleteMirror(shadow);
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  /** Opens connections one after the other, half over IPv4 and half over IPv6; returns how many were answered. */
  async function connections(count: number): Promise<number> {
    const program = `
      const http = require("node:http");
      const get = (host) => new Promise((done) => http.get({ host, agent: false }, (r) => { r.resume(); r.on("end", () => done(1)); }).on("error", () => done(0)));
      (async () => { let n = 0; for (let i = 0; i < ${count}; i++) n += await get(i % 2 ? "10.90.1.11" : "fd00:90:0:1::11"); console.log(n); })();`;
    const path = namespacePath(inside(production, "client-1"));
    return Number(await run(["nsenter", `--net=${path}`, process.execPath, "-e", program]));
  }

  async function collect(work: () => Promise<unknown>): Promise<Collected> {
    const process_ = await startIn(gateway, collector);
    try {
      await work();
      return await settled(process_);
    } finally {
      process_.kill("SIGKILL");
    }
  }

  /** What was collected, when nothing more comes. */
  async function settled(child: ChildProcess): Promise<Collected> {
    let before = -1;
    for (;;) {
      const answer = new Promise<string>((resolve) =>
        child.stdout!.once("data", (data: Buffer) => resolve(data.toString())),
      );
      child.stdin!.write("\n");
      const now = JSON.parse(await answer) as Collected;
      if (now.packets === before) return now;
      before = now.packets;
      await delay(300);
    }
  }

  it("copies whole flows, both directions, IPv4 and IPv6, and as many as asked", async () => {
    await createMirror(spec());
    const count = 400;
    const collected = await collect(async () => assert.equal(await connections(count), count));
    const flows = Object.entries(collected.flows);
    const spread = Math.sqrt(count * 0.25 * 0.75);
    assert.ok(Math.abs(flows.length - count * 0.25) < 4.5 * spread, `${flows.length} of ${count} flows at 25 percent`);
    assert.ok(
      flows.some(([key]) => key.startsWith("c612000b:")),
      "some are IPv4",
    );
    assert.ok(
      flows.some(([key]) => key.startsWith("20010db8")),
      "some are IPv6",
    );
    for (const [key, { forth, back, syn, fin }] of flows) {
      assert.deepEqual({ syn, fin }, { syn: 2, fin: 2 }, `flow ${key} has its beginning and its end of both sides`);
      assert.ok(forth >= 3 && back >= 3, `flow ${key} has both directions`);
    }
    const { counters } = (await readMirror(shadow))!;
    assert.equal(counters.selected.clientToServer + counters.selected.serverToClient, collected.packets);
    assert.ok(counters.seen.clientToServer >= count * 4, "every packet was looked at");
    assert.equal(counters.refused, 0);
  });

  it("takes everything at 100, nothing at 0, and all of a client or nothing by client", async () => {
    await updateMirror(spec({ percent: 100 }));
    assert.equal(Object.keys((await collect(() => connections(40))).flows).length, 40);
    await updateMirror(spec({ percent: 0 }));
    assert.equal((await collect(() => connections(40))).packets, 0);
    await updateMirror(spec({ percent: 50, sampleBy: "client" }));
    const { flows } = await collect(() => connections(40));
    for (const address of ["c612000b", "20010db8009000000000000000000011"]) {
      const own = Object.keys(flows).filter((key) => key.startsWith(`${address}:`)).length;
      assert.ok(own === 0 || own === 20, `${own} of 20 flows of ${address}`);
    }
  });

  it("obeys selectors, and exclusion wins", async () => {
    await updateMirror(
      spec({ percent: 100, include: [{ destinationCidr: "10.90.1.11/32", destinationPorts: ["80"] }] }),
    );
    assert.equal(Object.keys((await collect(() => connections(20))).flows).length, 10);
    await updateMirror(spec({ percent: 100, exclude: [{ sourceCidr: "198.18.0.0/24" }] }));
    const { flows } = await collect(() => connections(20));
    assert.ok(Object.keys(flows).every((key) => key.startsWith("20010db8")));
    assert.equal(Object.keys(flows).length, 10);
  });

  it("counts and copies a packet once where several selectors match it, and finds one service of many", async () => {
    const include = [
      { destinationPorts: ["80"] },
      { destinationCidr: "10.90.1.11/32" },
      { destinationPorts: ["80-90"] },
    ];
    await updateMirror(spec({ percent: 100, include }));
    const overlapping = await collect(() => connections(20));
    assert.equal(Object.keys(overlapping.flows).length, 20);
    const { counters, share } = (await readMirror(shadow))!;
    assert.equal(share, 1);
    assert.equal(counters.selected.clientToServer + counters.selected.serverToClient, overlapping.packets);
    const [service] = spec().services;
    const services = [{ ...service!, port: 81 }, service!, { ...service!, addresses: ["10.90.1.99"] }];
    await updateMirror(spec({ percent: 100, services }));
    assert.equal(Object.keys((await collect(() => connections(20))).flows).length, 20);
  });

  it("changes the share in place without losing a live packet", async () => {
    const retransmitted = async (): Promise<number> => {
      const path = namespacePath(inside(production, "client-1"));
      const lines = (await run(["nsenter", `--net=${path}`, "cat", "/proc/self/net/snmp"])).split("\n");
      const [names, values] = lines.filter((line) => line.startsWith("Tcp:")).map((line) => line.split(" "));
      return Number(values![names!.indexOf("RetransSegs")]);
    };
    const before = await retransmitted();
    let changes = 0;
    const load = { running: true };
    const changing = (async () => {
      while (load.running) await updateMirror(spec({ percent: changes++ % 2 === 0 ? 100 : 10 }));
    })();
    do assert.equal(await connections(100), 100);
    while (changes < 6);
    load.running = false;
    await changing;
    assert.equal(await retransmitted(), before);
  });

  it("gives production back exactly as it was", async () => {
    await deleteMirror(shadow);
    const dump = async (): Promise<string> => {
      const path = namespacePath(router);
      const script =
        "ip -o link; ip -o addr; ip route show table all; ip -6 route show table all; ip rule; ip neigh show nud permanent; nft list ruleset";
      const text = await run(["nsenter", `--net=${path}`, "sh", "-c", script]);
      return text.replaceAll(/ (expires|packets|bytes) \d+\w*/g, "");
    };
    const before = await dump();
    await createMirror(spec());
    assert.notEqual(await dump(), before);
    await deleteMirror(shadow);
    assert.equal(await dump(), before);
    await deleteMirror(shadow);
  });

  it("refuses clearly where production is not there, and is removed without it", async () => {
    const lost = spec({ production: `${production}-x` });
    await assert.rejects(createMirror(lost), /there is no production network "t[0-9a-z]+-mp-x" on this host/);
    await deleteMirror(shadow, lost.production);
  });
});
