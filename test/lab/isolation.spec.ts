import assert from "node:assert/strict";

import { run, tryRun } from "../../components/internal/exec";
import { createGateway, deleteGateway, readGateway } from "../../components/lab/kernel/gateway";
import { createMirror, deleteMirror, readMirror } from "../../components/lab/kernel/mirror";
import { applianceNamespace, mirrorVni } from "../../components/lab/kernel/names";
import { namespacePath } from "../../components/lab/kernel/namespaces";
import { buildPair, inside, privateState, uniqueName } from "../support/labPair";

const production = uniqueName("ip");
const shadow = uniqueName("is");
const gateway = applianceNamespace(shadow, "gateway");
const router = applianceNamespace(production, "router");
const common = {
  network: shadow,
  vni: mirrorVni(shadow),
  percent: 100,
  seed: 1,
  sampleBy: "flow" as const,
  include: [],
  exclude: [],
};

function enter(namespace: string, ...argv: string[]): string[] {
  return ["nsenter", `--net=${namespacePath(namespace)}`, ...argv];
}

/** Tries TCP, UDP, DNS, echo and broadcast, over both families, at everything outside; prints what was reached. */
const attacks = `
const net = require("node:net"), dgram = require("node:dgram");
const targets = ["100.64.1.1", "198.18.0.11", "2001:db8:90::11", "198.18.0.1", "1.1.1.1", "2606:4700::1111", "169.254.169.254"];
const tcp = (host, port) => new Promise((done) => {
  const s = net.connect({ host, port }); s.setTimeout(1000, () => { s.destroy(); done([]); });
  s.on("connect", () => { s.destroy(); done(["tcp " + host + " " + port]); }).on("error", () => done([]));
});
const udp = (host, port) => new Promise((done) => {
  const s = dgram.createSocket(host.includes(":") ? "udp6" : "udp4");
  const end = (r) => { clearTimeout(timer); s.close(); done(r); };
  const timer = setTimeout(() => end([]), 1000);
  s.on("message", () => end(["udp " + host + " " + port])).on("error", () => end([]));
  s.bind(() => { if (host === "255.255.255.255") s.setBroadcast(true); s.send(Buffer.from("736e0100000100000000000007696e76616c69640000010001", "hex"), port, host); });
});
const all = targets.flatMap((t) => [tcp(t, 80), tcp(t, 4789), udp(t, 53), udp(t, 4789)]);
Promise.all([...all, udp("255.255.255.255", 67), udp("ff02::1", 5353)]).then((r) => { console.log(JSON.stringify(r.flat())); process.exit(0); });`;

describe("the shadow's isolation", function () {
  this.timeout(120_000);
  const cleanUps: (() => Promise<unknown>)[] = [];

  before(async () => {
    cleanUps.push(await privateState(), await buildPair(production, "production"), await buildPair(shadow, "shadow"));
    await createGateway({ ...common, shadowCidrs: ["10.90.1.0/24", "fd00:90:0:1::/64"], responseTimeoutSeconds: 10 });
    await createMirror({ ...common, production, services: [{ addresses: ["10.90.1.11"], port: 80, protocol: "tcp" }] });
  });

  after(async () => {
    await deleteMirror(shadow);
    await deleteGateway(shadow);
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  /** Packets and frames that production's router has taken from the cable, and what its own stack made of them. */
  async function receivedByProduction(): Promise<{ refused: number; ip: string }> {
    const counters = (await readMirror(shadow))!.counters;
    const text = await run(enter(router, "cat", "/proc/self/net/snmp"));
    const [names, values] = text
      .split("\n")
      .filter((line) => line.startsWith("Ip:"))
      .map((line) => line.split(" "));
    return { refused: counters.refused, ip: values![names!.indexOf("InReceives")]! };
  }

  it("lets nothing that a machine sends reach production or the outside", async () => {
    const before = await receivedByProduction();
    const reached = await run(enter(inside(shadow, "web-1"), process.execPath, "-e", attacks));
    assert.deepEqual(JSON.parse(reached), []);
    for (const target of ["198.18.0.11", "2001:db8:90::11", "100.64.1.1"]) {
      const { code } = await tryRun(enter(inside(shadow, "web-1"), "ping", "-c", "1", "-W", "1", target));
      assert.notEqual(code, 0, `an echo request reached ${target}`);
    }
    assert.deepEqual(await receivedByProduction(), before, "not one frame arrived at production's end of the cable");
    const sunk = await run(enter(gateway, "nft", "-j", "list", "counter", "inet", "shadownet", "sunk"));
    assert.ok(/"packets": [1-9]/.test(sunk), "the gateway swallowed what was sent outside");
  });

  it("drops at production's end whatever a gateway that was taken over sends, of any ethertype", async () => {
    await run(enter(gateway, "nft", "delete", "table", "netdev", "barrier"));
    const before = await receivedByProduction();
    const setUp =
      "echo 0 > /proc/sys/net/ipv6/conf/intake/disable_ipv6; ip link set dev intake arp on; ip addr add 100.64.1.3/24 dev intake; ip -6 addr add fd64:1::3/64 dev intake nodad; ip rule add pref 10 lookup main; ip -6 rule add pref 10 lookup main";
    await run(enter(gateway, "sh", "-c", setUp));
    for (const attack of [
      ["ping", "-c", "2", "-W", "1", "-I", "intake", "100.64.1.1"],
      ["ping", "-6", "-c", "2", "-W", "1", "-I", "intake", "ff02::1"],
      ["ping", "-b", "-c", "2", "-W", "1", "-I", "intake", "100.64.1.255"],
    ]) {
      const { stdout } = await tryRun(enter(gateway, ...attack));
      assert.ok(!/ [1-9]\d* received/.test(stdout), stdout);
    }
    const after = await receivedByProduction();
    assert.ok(after.refused > before.refused, "frames did arrive at the barrier, so the test tested it");
    assert.equal(after.ip, before.ip, "none of them got past it");
    const neighbours = await run(enter(router, "ip", "neigh", "show"));
    assert.ok(!neighbours.includes("100.64.1.3"), "no address resolution either");
  });

  it("has its gateway running", async () => {
    assert.ok((await readGateway(shadow))?.pid !== undefined);
  });
});
