import assert from "node:assert/strict";
import { spawn, type ChildProcess } from "node:child_process";
import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

import { run, tryRun } from "../../components/internal/exec";
import { clientHash, flowHash, isSampled } from "../../components/runtime/gateway/flows/jhash";
import { decodeEthernet, Packet } from "../../components/runtime/gateway/intake/packet";
import { TcpScript, udpFrame, vxlan } from "../support/capture";
import { until } from "../support/captureHarness";
import { randomFrom } from "../support/damage";

const left = `tg${process.pid}a`;
const right = `tg${process.pid}b`;
const veth = `v${process.pid}`;
const main = resolve(__dirname, "../../components/runtime/gateway/main.ts");

async function inside(namespace: string, ...argv: string[]): Promise<string> {
  return run(["ip", "netns", "exec", namespace, ...argv]);
}

/** Two namespaces with a cable between them: 10.88.0.1, fd00:88::1 and 10.88.0.2, fd00:88::2. */
async function build(): Promise<void> {
  for (const namespace of [left, right]) {
    await run(["ip", "netns", "add", namespace]);
    await inside(namespace, "ip", "link", "set", "lo", "up");
  }
  const peer = ["peer", "name", `${veth}b`, "netns", right];
  await run(["ip", "link", "add", `${veth}a`, "netns", left, "type", "veth", ...peer]);
  for (const [namespace, end, number] of [
    [left, "a", 1],
    [right, "b", 2],
  ] as const) {
    await inside(namespace, "ip", "address", "add", `10.88.0.${number}/24`, "dev", `${veth}${end}`);
    await inside(namespace, "ip", "address", "add", `fd00:88::${number}/64`, "dev", `${veth}${end}`, "nodad");
    await inside(namespace, "ip", "link", "set", `${veth}${end}`, "up");
  }
}

describe("gateway on the real kernel", function () {
  this.timeout(120_000);
  let folder: string;
  const children: ChildProcess[] = [];

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), "gateway-lab-"));
    await build();
  });

  afterEach(async () => {
    for (const child of children.splice(0)) child.kill("SIGKILL");
    for (const namespace of [left, right]) await tryRun(["ip", "netns", "delete", namespace]);
    rmSync(folder, { recursive: true, force: true });
  });

  it("chooses exactly the flows that the kernel's jhash rule chooses, IPv4 and IPv6", async () => {
    const percent = 23.5;
    const seed = 0xbeef;
    const threshold = percent * 10_000;
    const rule = (ip: string): string =>
      `udp dport 7000 jhash ${ip} saddr . udp sport . ${ip} daddr . udp dport mod 1000000 seed ${seed} < ${threshold}`;
    const rules = join(folder, "rules.nft");
    writeFileSync(
      rules,
      `table netdev t {
        set four { type inet_service; size 65535; flags dynamic; }
        set six { type inet_service; size 65535; flags dynamic; }
        counter seen {}
        chain c {
          type filter hook ingress device "${veth}b" priority 0; policy accept;
          udp dport 7000 counter name seen
          ip protocol udp ${rule("ip")} add @four { udp sport }
          ip6 nexthdr udp ${rule("ip6")} add @six { udp sport }
        }
      }`,
    );
    await inside(right, "nft", "-f", rules);
    const count = 300;
    // Neighbours know each other before the count begins, so that no datagram waits for an answer and is dropped.
    await inside(left, "ping", "-c1", "-w20", "10.88.0.2");
    await inside(left, "ping", "-c1", "-w20", "fd00:88::2");
    const sender = `
      const { createSocket } = require("node:dgram");
      (async () => {
        for (const [type, from, to] of [["udp4", "10.88.0.1", "10.88.0.2"], ["udp6", "fd00:88::1", "fd00:88::2"]])
          for (let port = 20000; port < 20000 + ${count}; port++) {
            const socket = createSocket(type);
            await new Promise((done) => socket.bind(port, from, done));
            await new Promise((done) => socket.send("x", 7000, to, done));
            socket.close();
          }
      })();`;
    await inside(left, process.execPath, "-e", sender);
    const list = await inside(right, "nft", "-j", "list", "table", "netdev", "t");
    const objects = (
      JSON.parse(list) as { nftables: Record<string, { name?: string; elem?: number[]; packets?: number }>[] }
    ).nftables;
    const setOf = (name: string): number[] => objects.find(({ set }) => set?.name === name)?.["set"]?.elem ?? [];
    assert.equal(objects.find(({ counter }) => counter?.name === "seen")?.["counter"]?.packets, 2 * count);
    const expected = (from: string, to: string): number[] =>
      Array.from({ length: count }, (_, index) => 20_000 + index).filter((port) => {
        const frame = udpFrame({ address: from, port }, { address: to, port: 7000 }, Buffer.alloc(1));
        const packet = new Packet();
        decodeEthernet(frame, 0, frame.length, packet);
        return isSampled(flowHash(packet, false, seed), percent);
      });
    assert.deepEqual([...setOf("four")].sort(), expected("10.88.0.1", "10.88.0.2"));
    assert.deepEqual([...setOf("six")].sort(), expected("fd00:88::1", "fd00:88::2"));
  });

  it("chooses exactly the flows and the clients that the kernel chooses, whatever the seed and the share", async () => {
    const random = randomFrom(20_260_314);
    const choices = Array.from({ length: 8 }, () => ({
      seed: Math.floor(random() * 2 ** 32),
      percent: Math.round(random() * 10_000) / 100,
    }));
    const [firstClient, clients, ports] = [100, 40, 5];
    const keep = ({ seed, percent }: { seed: number; percent: number }, what: string): string =>
      `jhash ${what} mod 1000000 seed ${seed} < ${Math.round(percent * 10_000)}`;
    const sets = choices.map(
      (_, index) => `set flows${index} { type ipv4_addr . inet_service; size 65535; flags dynamic; }
        set clients${index} { type ipv4_addr; size 65535; flags dynamic; }`,
    );
    const whole = "ip saddr . udp sport . ip daddr . udp dport";
    const rules = choices.map(
      (choice, index) => `udp dport 7000 ${keep(choice, whole)} add @flows${index} { ip saddr . udp sport }
        udp dport 7000 ${keep(choice, "ip saddr")} add @clients${index} { ip saddr }`,
    );
    const file = join(folder, "choices.nft");
    const chain = `type filter hook ingress device "${veth}b" priority 0; policy accept;`;
    writeFileSync(
      file,
      `table netdev c { ${sets.join("\n")}\n counter seen {}\n chain c { ${chain}\n udp dport 7000 counter name seen\n${rules.join("\n")}\n}\n}\n`,
    );
    await inside(right, "nft", "-f", file);
    const addressOf = (client: number): string => `10.88.0.${firstClient + client}`;
    for (let client = 0; client < clients; client++) {
      await inside(left, "ip", "address", "add", `${addressOf(client)}/24`, "dev", `${veth}a`);
    }
    await inside(left, "ping", "-c1", "-w20", "10.88.0.2");
    const sender = `
      const { createSocket } = require("node:dgram");
      (async () => {
        for (let client = 0; client < ${clients}; client++)
          for (let port = 20000; port < 20000 + ${ports}; port++) {
            const socket = createSocket("udp4");
            await new Promise((done) => socket.bind(port, "10.88.0." + (${firstClient} + client), done));
            await new Promise((done) => socket.send("x", 7000, "10.88.0.2", done));
            socket.close();
          }
      })();`;
    await inside(left, process.execPath, "-e", sender);
    const list = await inside(right, "nft", "-j", "list", "table", "netdev", "c");
    const { nftables } = JSON.parse(list) as {
      nftables: Record<string, { name?: string; elem?: (string | { concat: [string, number] })[]; packets?: number }>[];
    };
    const member = (name: string): string[] => {
      const elements = nftables.find(({ set }) => set?.name === name)?.["set"]?.elem ?? [];
      return elements.map((element) => (typeof element === "string" ? element : element.concat.join(" "))).sort();
    };
    assert.equal(nftables.find(({ counter }) => counter?.name === "seen")?.["counter"]?.packets, clients * ports);
    const packets = Array.from({ length: clients * ports }, (_, index) => {
      const from = { address: addressOf(Math.floor(index / ports)), port: 20_000 + (index % ports) };
      const frame = udpFrame(from, { address: "10.88.0.2", port: 7000 }, Buffer.alloc(1));
      const packet = new Packet();
      decodeEthernet(frame, 0, frame.length, packet);
      return { from, packet };
    });
    for (const [index, { seed, percent }] of choices.entries()) {
      const flows = packets.filter(({ packet }) => isSampled(flowHash(packet, false, seed), percent));
      const sampled = packets.filter(({ packet }) => isSampled(clientHash(packet, false, seed), percent));
      assert.deepEqual(member(`flows${index}`), flows.map(({ from }) => `${from.address} ${from.port}`).sort());
      assert.deepEqual(member(`clients${index}`), [...new Set(sampled.map(({ from }) => from.address))].sort());
    }
  });

  it("connects to the shadow from the client's own address and port", async () => {
    await inside(left, "sysctl", "-qw", "net.ipv4.ip_nonlocal_bind=1", "net.ipv4.conf.all.rp_filter=0");
    await inside(left, "sysctl", "-qw", `net.ipv4.conf.${veth}a.rp_filter=0`);
    await inside(left, "ip", "rule", "add", "pref", "400", "to", "10.88.0.1", "lookup", "local");
    await inside(left, "ip", "rule", "add", "pref", "410", "to", "127.0.0.0/8", "lookup", "local");
    await inside(left, "ip", "rule", "add", "pref", "500", "to", "10.88.0.0/24", "lookup", "main");
    await inside(left, "ip", "rule", "add", "pref", "1000", "lookup", "local");
    await inside(left, "ip", "rule", "delete", "pref", "0");
    await inside(left, "ip", "route", "add", "local", "default", "dev", "lo", "table", "local");
    await inside(right, "ip", "route", "add", "default", "via", "10.88.0.1");
    const ok = "HTTP/1.1 200 OK\\r\\nContent-Length: 2\\r\\n\\r\\nok";
    const peers = join(folder, "peers");
    const serverText = `
      require("node:net").createServer((socket) => {
        require("node:fs").appendFileSync(${JSON.stringify(peers)}, socket.remoteAddress + " " + socket.remotePort + "\\n");
        socket.on("data", () => socket.write("${ok}")).on("error", () => {});
      }).listen(80, "10.88.0.2", () => require("node:fs").writeFileSync(${JSON.stringify(peers)}, ""));`;
    const start = (namespace: string, ...argv: string[]): void => {
      children.push(spawn("ip", ["netns", "exec", namespace, process.execPath, ...argv], { stdio: "inherit" }));
    };
    start(right, "-e", serverText);
    const config = {
      intake: "vxlan:127.0.0.1:4789",
      source: "original",
      stats: join(folder, "stats.json"),
      samples: join(folder, "samples.ndjson"),
    };
    writeFileSync(join(folder, "config.json"), JSON.stringify(config));
    start(left, "--import=tsx", main, join(folder, "config.json"));
    await until("gateway and server run", () => existsSync(config.stats) && existsSync(peers));
    const server = { address: "10.88.0.2", port: 80 };
    const script = new TcpScript({ address: "203.0.113.7", port: 40_123 }, server).handshake();
    script.say(true, "GET / HTTP/1.1\r\n\r\n").say(false, "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok");
    const frames = script.acknowledge(true).frames.map((frame) => vxlan(frame).toString("hex"));
    const sender = `
      const socket = require("node:dgram").createSocket("udp4");
      (async () => {
        for (const hex of ${JSON.stringify(frames)})
          await new Promise((done) => socket.send(Buffer.from(hex, "hex"), 4789, "127.0.0.1", done));
        socket.close();
      })();`;
    await inside(left, process.execPath, "-e", sender);
    const samples = (): string => (existsSync(config.samples) ? readFileSync(config.samples, "utf8") : "");
    await until("the exchange is reported", () => samples().includes("\n"));
    const sample = JSON.parse(samples()) as { equal?: boolean; flow: string };
    assert.equal(sample.equal, true);
    assert.equal(sample.flow, "tcp 203.0.113.7:40123>10.88.0.2:80");
    assert.equal(readFileSync(peers, "utf8"), "203.0.113.7 40123\n");
  });
});
