import assert from "node:assert/strict";
import type { ChildProcess } from "node:child_process";
import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";

import { run } from "../../components/internal/exec";
import { createGateway, deleteGateway } from "../../components/lab/kernel/gateway";
import { askGateway } from "../../components/lab/kernel/gatewayProcess";
import { createMirror, deleteMirror } from "../../components/lab/kernel/mirror";
import { mirrorVni } from "../../components/lab/kernel/names";
import { namespacePath } from "../../components/lab/kernel/namespaces";
import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { buildPair, inside, openIntake, privateState, startIn, uniqueName } from "../support/labPair";

const production = uniqueName("np");
const shadow = uniqueName("ns");
const traffic = {
  network: shadow,
  vni: mirrorVni(shadow),
  percent: 100,
  seed: 1,
  sampleBy: "flow" as const,
  include: [{ serverName: "*.shop.example", destinationPorts: ["443"] }],
  exclude: [{ serverName: "pay.shop.example" }],
};

/** A TLS server that writes every name it is asked for to a file. */
function server(folder: string, names: string): string {
  return `
const { readFileSync, appendFileSync, writeFileSync } = require("node:fs");
writeFileSync("${names}", "");
const options = {
  key: readFileSync("${folder}/key.pem"),
  cert: readFileSync("${folder}/cert.pem"),
  SNICallback: (name, done) => { appendFileSync("${names}", name + "\\n"); done(null); },
};
const server = require("node:tls").createServer(options, (socket) => socket.end("hello"));
server.on("tlsClientError", () => {});
server.on("connection", (socket) => socket.on("error", () => {}));
server.listen({ port: 443, host: "::", ipv6Only: false }, () => console.log("ready"));`;
}

describe("a mirror by the server's name", function () {
  this.timeout(120_000);
  const cleanUps: (() => Promise<unknown>)[] = [];
  const servers: ChildProcess[] = [];
  let folder: string;

  before(async () => {
    folder = await mkdtemp(join(tmpdir(), "mirror-names-"));
    cleanUps.push(() => rm(folder, { recursive: true }));
    const key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", `${folder}/key.pem`];
    await run(["openssl", "req", "-x509", ...key, "-out", `${folder}/cert.pem`, "-subj", "/CN=shop.example"]);
    cleanUps.push(await privateState(), await buildPair(production, "production"), await buildPair(shadow, "shadow"));
    await createGateway({ ...traffic, shadowCidrs: ["10.90.1.0/24", "fd00:90:0:1::/64"], responseTimeoutSeconds: 5 });
    await createMirror({ ...traffic, production, services: [] });
    for (const network of [production, shadow]) {
      servers.push(await startIn(inside(network, "web-1"), server(folder, `${folder}/${network}`)));
    }
    await openIntake(shadow);
  });

  after(async () => {
    for (const child of servers) child.kill("SIGKILL");
    await deleteMirror(shadow);
    await deleteGateway(shadow);
    for (const cleanUp of cleanUps.reverse()) await cleanUp();
  });

  const ask = async (servername: string, address: string): Promise<void> => {
    const options = `{ host: "${address}", port: 443, servername: "${servername}", rejectUnauthorized: false }`;
    const program = `require("node:tls").connect(${options}).on("end", () => process.exit(0)).resume()`;
    const namespace = namespacePath(inside(production, "client-1"));
    await run(["nsenter", `--net=${namespace}`, process.execPath, "-e", program]);
  };

  const heard = async (network: string): Promise<string[]> =>
    (await run(["cat", `${folder}/${network}`])).split("\n").filter((name) => name !== "");

  const stats = async (): Promise<GatewayStats> => (await askGateway(shadow, "/stats")) as GatewayStats;

  it("gives the shadow's server the flows to chosen names, whole from their hello on, and no others", async () => {
    const asked = ["www.shop.example", "pay.shop.example", "a.b.shop.example", "other.example", "shop.example", ""];
    for (const address of ["10.90.1.11", "fd00:90:0:1::11"]) {
      for (const name of asked) await ask(name, address);
    }
    assert.deepEqual((await heard(production)).sort(), [...asked, ...asked].filter((name) => name !== "").sort());
    const wanted = ["a.b.shop.example", "a.b.shop.example", "www.shop.example", "www.shop.example"];
    const deadline = Date.now() + 20_000;
    while ((await heard(shadow)).length < wanted.length && Date.now() < deadline) await delay(200);
    assert.deepEqual((await heard(shadow)).sort(), wanted);
    const { selection } = await stats();
    assert.deepEqual([selection.flowsSeen, selection.flowsSelected, selection.flowsExcluded], [12, 4, 8]);
  });
});
