import { networkInterfaces } from "node:os";

import { run, tryRun } from "../internal/exec";
import type { ContainmentFinding } from "../runtime/runner/driver";
import type { Topology } from "../topology";
import { applianceAddresses, machineNamespace, namespacePrefix } from "./kernel/names";

/** One attempt to leave: a TCP connection, a datagram that wants an answer, or an echo request. */
interface Attempt {
  protocol: "tcp" | "udp" | "icmp";
  address: string;
  port: number;
}

/**
 * Addresses of documentation ranges stand for the internet: nothing of ours lives there, so whoever answers is outside.
 * Beside them: the cloud's metadata address, public resolvers' port, production's end of the mirror cable, this host.
 */
function attempts(): Attempt[] {
  const outside = ["198.51.100.7", "2001:db8:ffff::7", "169.254.169.254", applianceAddresses.mirror.production];
  const host = Object.values(networkInterfaces())
    .flatMap((addresses) => addresses ?? [])
    .filter(({ internal, scopeid }) => !internal && (scopeid ?? 0) === 0)
    .map(({ address }) => address);
  return [...outside, ...host.slice(0, 4)].flatMap((address): Attempt[] => [
    { protocol: "tcp", address, port: 80 },
    { protocol: "tcp", address, port: 443 },
    { protocol: "udp", address, port: 53 },
    { protocol: "icmp", address, port: 0 },
  ]);
}

/** Tries to leave the shadow from one machine of every subnet, all attempts at once, and looks for cables that lead out. */
export async function probeContainment(network: string, topology: Topology): Promise<ContainmentFinding[]> {
  const machines = onePerSubnet(topology);
  const active = await Promise.all(machines.map((machine) => probeFrom(machineNamespace(network, machine), machine)));
  return [...active.flat(), ...(await findCables(network))];
}

function onePerSubnet(topology: Topology): string[] {
  const bySubnet = new Map<string, string>();
  for (const machine of topology.machines) {
    for (const { subnet } of machine.interfaces) if (!bySubnet.has(subnet)) bySubnet.set(subnet, machine.name);
  }
  return [...new Set(bySubnet.values())];
}

async function probeFrom(namespace: string, machine: string): Promise<ContainmentFinding[]> {
  const wanted = attempts();
  const argv = ["ip", "netns", "exec", namespace, process.execPath, "-e", probeProgram, JSON.stringify(wanted)];
  const { code, stdout, stderr } = await tryRun(argv, { timeoutMilliseconds: 30_000 });
  if (code !== 0) {
    const detail = `the probe itself failed: ${stderr.trim().split("\n")[0] ?? `exit code ${code}`}`;
    return [{ from: machine, attempt: "probe", reached: true, detail }];
  }
  const results = JSON.parse(stdout) as { reached: boolean; detail: string }[];
  return wanted.map(({ protocol, address, port }, index) => ({
    from: machine,
    attempt: protocol === "icmp" ? `icmp ${address}` : `${protocol} ${address} port ${port}`,
    ...(results[index] ?? { reached: true, detail: "the probe gave no result" }),
  }));
}

/** Runs inside the namespace; a connection or an answer within the time limit means that somebody was reached. */
const probeProgram = `
const net = require("node:net"), dgram = require("node:dgram"), { execFile } = require("node:child_process");
const limit = 1500;
const tcp = ({ address, port }) => new Promise((done) => {
  const socket = net.connect({ host: address, port });
  const end = (reached, detail) => { socket.destroy(); done({ reached, detail }); };
  socket.setTimeout(limit, () => end(false, "no answer"));
  socket.on("connect", () => end(true, "connected"));
  socket.on("error", (error) => end(false, error.code ?? error.message));
});
const udp = ({ address, port }) => new Promise((done) => {
  const socket = dgram.createSocket(address.includes(":") ? "udp6" : "udp4");
  const end = (reached, detail) => { clearTimeout(timer); socket.close(); done({ reached, detail }); };
  const timer = setTimeout(() => end(false, "no answer"), limit);
  socket.on("message", () => end(true, "answered"));
  socket.on("error", (error) => end(false, error.code ?? error.message));
  const query = Buffer.from("736e0100000100000000000007696e76616c69640000010001", "hex");
  socket.connect(port, address, (error) => error ? undefined : socket.send(query));
});
const icmp = ({ address }) => new Promise((done) => {
  execFile("ping", ["-n", "-c", "1", "-W", "1", address], { timeout: 5000 }, (error, stdout) => {
    if (error?.code === "ENOENT") return done({ reached: true, detail: "ping is not installed, so this cannot be ruled out" });
    done({ reached: !error, detail: error ? "no answer" : "answered" });
  });
});
const kinds = { tcp, udp, icmp };
Promise.all(JSON.parse(process.argv[1]).map((attempt) => kinds[attempt.protocol](attempt)))
  .then((results) => process.stdout.write(JSON.stringify(results), () => process.exit(0)));
`;

/**
 * A cable of the shadow may only end in the shadow. The one exception is the mirror's, whose barrier on production's
 * side drops whatever comes from the shadow.
 */
async function findCables(network: string): Promise<ContainmentFinding[]> {
  const prefix = `${namespacePrefix}${network}.`;
  const namespaces = (await run(["ip", "-j", "netns", "list"])).trim();
  const all = namespaces === "" ? [] : (JSON.parse(namespaces) as { name: string }[]);
  const own = all.map(({ name }) => name).filter((name) => name.startsWith(prefix));
  const findings = await Promise.all(own.map((namespace) => cablesOf(namespace, own)));
  return findings.flat();
}

async function cablesOf(namespace: string, own: string[]): Promise<ContainmentFinding[]> {
  const output = await tryRun(["ip", "-n", namespace, "-j", "link", "show", "type", "veth"]);
  const links = output.stdout.trim() === "" ? [] : (JSON.parse(output.stdout) as VethLink[]);
  const ids = await tryRun(["ip", "-n", namespace, "-j", "netns", "list-id"]);
  const names = new Map<number, string>();
  if (ids.stdout.trim() !== "") {
    for (const { nsid, name } of JSON.parse(ids.stdout) as { nsid: number; name?: string }[])
      if (name) names.set(nsid, name);
  }
  return links
    .filter(({ ifalias }) => !(ifalias ?? "").startsWith("mirror"))
    .filter(({ link_netnsid }) => link_netnsid !== undefined && !own.includes(names.get(link_netnsid) ?? ""))
    .map(({ ifname, link_netnsid }) => ({
      from: namespace,
      attempt: `cable ${ifname}`,
      reached: true,
      detail: `it ends outside the shadow, in ${names.get(link_netnsid!) ?? "a namespace without a name"}`,
    }));
}

interface VethLink {
  ifname: string;
  ifalias?: string;
  link_netnsid?: number;
}
