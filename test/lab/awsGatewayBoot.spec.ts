import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import type { MetricDatum } from "@aws-sdk/client-cloudwatch";

import { gatewayArchive } from "../../components/aws/gateway/archive";
import type { GatewayBoot } from "../../components/aws/gateway/boot";
import { networkScript } from "../../components/aws/gateway/networkScript";
import { gatewayScript, unitNames, units } from "../../components/aws/gateway/units";
import { longestUserData, userData, type UserDataSettings } from "../../components/aws/gateway/userData";
import { planMirror } from "../../components/aws/mirror/plan";
import type { GatewayStats } from "../../components/runtime/gateway/stats";
import { BootBed } from "../support/awsBoot/bed";
import { smallAws } from "../support/awsTopologies";
import { TcpScript, udpFrame, vxlan } from "../support/capture";
import { until } from "../support/captureHarness";

const planned = planMirror(smallAws, { percent: 100 }).plan!;
const boot: GatewayBoot = {
  shadowName: "shop",
  region: "eu-central-1",
  settingsParameter: "/shadownet/shop/mirror/settings",
  intakeParameter: "/shadownet/shop/mirror/intake",
  intake: "geneve",
  basis: planned.basis,
};
const bootText = JSON.stringify(boot);
const sha256 = (text: string): string => createHash("sha256").update(text).digest("hex");
const response = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

function settingsFor(archiveSha256: string): UserDataSettings {
  return {
    region: boot.region,
    bucket: "shadownet-shop",
    archiveKey: "gateway.tar.gz",
    archiveSha256,
    bootKey: "boot.json",
    bootSha256: sha256(bootText),
    standingInterfaceId: "eni-0standing",
    standingAddress: "100.64.0.10",
    shadowCidrs: planned.basis.shadowCidrs,
    applianceCidrs: ["100.64.0.0/20"],
  };
}

/** What a Gateway Load Balancer sends: GENEVE with its options around the mirror's own datagram around the frame. */
function geneve(frame: Buffer, vni: number): Buffer {
  const options = Buffer.alloc(32);
  for (const [index, [type, words]] of [
    [1, 2],
    [2, 2],
    [3, 1],
  ].entries()) {
    const at = [0, 12, 24][index]!;
    options.writeUInt16BE(0x0108, at);
    options[at + 2] = type!;
    options[at + 3] = words!;
  }
  const header = Buffer.alloc(8);
  header[0] = options.length / 4;
  header.writeUInt16BE(0x0800, 2);
  const source = { address: "10.20.10.11", port: 54_321 };
  const datagram = udpFrame(source, { address: "10.20.0.77", port: 4789 }, vxlan(frame, vni)).subarray(14);
  return Buffer.concat([header, options, datagram]);
}

function flow(client: { address: string; port: number }, path: string): Buffer[] {
  const script = new TcpScript(client, { address: "10.20.10.11", port: 80 }).handshake();
  return script.say(true, `GET ${path} HTTP/1.1\r\nHost: shop\r\n\r\n`).say(false, response).close().frames;
}

describe("an AWS gateway instance, from its first boot (stand-ins for AWS and systemd)", function () {
  this.timeout(180_000);
  let archive: { file: string; sha256: string };
  let bed: BootBed;

  before(async () => {
    archive = await gatewayArchive(process.arch === "arm64" ? "arm64" : "x64");
  });

  beforeEach(() => {
    bed = new BootBed();
    bed.put("shadownet-shop", "gateway.tar.gz", readFileSync(archive.file));
    bed.put("shadownet-shop", "boot.json", bootText);
  });

  afterEach(() => bed.remove());

  const tell = (intake: string, percent = 100): void =>
    bed.setParameters({
      [boot.settingsParameter]: JSON.stringify({ ...planned.settings, percent }),
      [boot.intakeParameter]: intake,
    });
  const stats = (): GatewayStats | undefined => {
    const text = bed.read("run/stats.json");
    return text === "" ? undefined : (JSON.parse(text) as GatewayStats);
  };
  const mirrored = (frames: readonly Buffer[]): void => {
    for (const frame of frames) bed.send(geneve(frame, planned.sources[0]!.vni), "100.64.0.20", 6081);
  };

  it("comes up closed, opens on command, replays from the clients' addresses, publishes, and follows the settings", async () => {
    tell("closed", 100);
    const booted = bed.boot(userData(settingsFor(archive.sha256)));
    assert.equal(booted.status, 0, booted.output);
    await until("the gateway counts", () => stats() !== undefined);
    const attempts = bed.read("aws.log").match(/attach-network-interface/g);
    assert.equal(attempts?.length, 2, "the interface was in use at first");
    assert.match(bed.read("aws.log"), /attach-network-interface .* --instance-id i-0123456789abcdef0 --device-index 1/);

    bed.get("http://100.64.0.20:9464/metrics");
    await until("the health check is answered", () => bed.lines("pages.ndjson").length === 1);
    assert.deepEqual(bed.lines("pages.ndjson"), [{ url: "http://100.64.0.20:9464/metrics", status: 200 }]);

    mirrored(flow({ address: "198.51.100.9", port: 40_000 }, "/too-early"));
    await until("packets are refused", () => (stats()?.intake.refusedWhileClosed ?? 0) >= 8);
    assert.equal(stats()!.intake.open, false);

    tell("open");
    await until("the intake is open", () => stats()?.intake.open === true, 30_000);
    mirrored(flow({ address: "203.0.113.7", port: 40_123 }, "/outside"));
    mirrored(flow({ address: "203.0.113.8", port: 500 }, "/low-port"));
    mirrored(flow({ address: "10.20.0.10", port: 40_124 }, "/balancer"));
    mirrored(flow({ address: "10.20.10.21", port: 40_125 }, "/east-west"));
    await until("three are answered", () => stats()?.requests.answered === 3, 30_000);
    const seen = bed.lines<{ from: string; url: string }>("shadow.ndjson");
    const from = (url: string): string | undefined => seen.find((one) => one.url === url)?.from;
    assert.equal(from("/outside"), "203.0.113.7:40123");
    assert.equal(from("/low-port"), "203.0.113.8:500", "a port below 1024 without a capability");
    assert.match(
      from("/balancer") ?? "",
      /^100\.64\.0\.10:/,
      "a client inside the ranges gets the gateway's own address",
    );
    assert.equal(seen.length, 3, JSON.stringify(seen));
    const { requests, selection, compare } = stats()!;
    assert.deepEqual([requests.onWire, requests.replayed, requests.coverage], [3, 3, 1]);
    assert.deepEqual([selection.flowsSeen, selection.flowsExcluded, compare.equal], [4, 1, 3]);

    const pid = bed.read("run/gateway.pid").trim();
    const capabilities = /CapEff:\s*(\S+)/.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
    assert.equal(capabilities, "0000000000000000");

    const published = (): (MetricDatum & { signed: boolean })[] =>
      bed
        .lines<{ Namespace: string; MetricData: MetricDatum[]; signed: boolean }>("published.ndjson")
        .flatMap(({ MetricData, signed }) => MetricData.map((datum) => ({ ...datum, signed })));
    const counted = (): number =>
      published()
        .filter(({ MetricName, Dimensions }) => MetricName === "ShadowRequests" && Dimensions!.length === 1)
        .reduce((sum, { Value = 0 }) => sum + Value, 0);
    await until("the requests are published", () => counted() === 3, 40_000);
    const coverage = published().filter(({ MetricName }) => MetricName === "ReplayCoverage");
    assert.equal(
      coverage.reduce((sum, { StatisticValues }) => sum + StatisticValues!.Sum!, 0),
      3,
    );
    assert.ok(
      published().every(({ signed }) => signed),
      "with the instance's own credentials",
    );

    tell("closed", 25);
    await until("the settings are taken over", () => bed.read("run/config.json").includes('"percent": 25'), 30_000);
    await until("the intake is closed", () => stats()?.intake.open === false, 30_000);
    assert.equal(bed.read("run/gateway.pid").trim(), pid, "nothing was restarted");
    assert.equal(bed.read("shadownet-gateway.service.log"), "");
    assert.equal(bed.read("shadownet-agent.service.log"), "");

    const rules = (): string => bed.run("instance", "ip", "-4", "rule");
    const route = (address: string): string => bed.run("instance", "ip", "route", "get", address);
    const once = rules();
    const environment = `SHADOWNET_NETWORK=${join(bed.folder, "etc/shadownet/network.env")}`;
    bed.run("instance", "env", environment, join(bed.folder, "opt/shadownet/release/network.sh"));
    assert.equal(rules(), once, "setting the network up again changes nothing");
    assert.match(route("10.20.10.11"), /via 100.64.0.1 dev standing .*src 100.64.0.10/);
    assert.match(route("169.254.169.254"), /via 100.64.0.1 dev primary/);
    assert.match(route("100.64.1.5"), /via 100.64.0.1 dev primary/);
    assert.match(route("198.51.100.1"), /^local 198.51.100.1 dev lo/);
  });

  it("does not run what is not what was built", () => {
    tell("open");
    const booted = bed.boot(userData(settingsFor("0".repeat(64))));
    assert.notEqual(booted.status, 0);
    assert.match(booted.output, /archive.tar: FAILED/);
    assert.match(booted.output, /the boot failed at line/);
    assert.equal(bed.read("pids"), "");
  });
});

describe("the scripts of an AWS gateway instance", () => {
  it("pass shellcheck, and the user data fits", () => {
    const folder = mkdtempSync(join(tmpdir(), "aws-scripts-"));
    const text = userData({
      ...settingsFor("0".repeat(64)),
      shadowCidrs: Array.from({ length: 50 }, (_, at) => `10.${at}.0.0/16`),
    });
    assert.ok(Buffer.byteLength(text) < longestUserData);
    const files = { "user-data.sh": text, "network.sh": networkScript, "gateway.sh": gatewayScript };
    for (const [name, content] of Object.entries(files)) writeFileSync(join(folder, name), content);
    execFileSync("shellcheck", Object.keys(files), { cwd: folder });
    rmSync(folder, { recursive: true });
  });

  it("leave no capability to what they start", () => {
    for (const name of unitNames.slice(1)) {
      assert.match(units[name], /^CapabilityBoundingSet=$/m);
      assert.match(units[name], /^AmbientCapabilities=$/m);
      assert.match(units[name], /^NoNewPrivileges=yes$/m);
      assert.match(units[name], /^User=shadownet$/m);
    }
  });
});
