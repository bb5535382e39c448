import assert from "node:assert/strict";
import { execFileSync } from "node:child_process";
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { gunzipSync } from "node:zlib";

import { gatewayArchive } from "../../../components/aws/gateway/archive";
import {
  bucketPolicy,
  gatewayPolicy,
  type GatewayPlaceInAws,
  gatewayTrust,
} from "../../../components/aws/gateway/policy";
import { tar } from "../../../components/aws/gateway/tar";
import type { IamDocument } from "../../../components/aws/iam/document";
import { endpointPolicy, isWithinBoundary, s3EndpointPolicy } from "../../../components/aws/iam/network";

const own = process.arch === "arm64" ? "arm64" : "x64";
const other = own === "x64" ? "arm64" : "x64";

describe("archive of an AWS gateway", function () {
  this.timeout(180_000);
  const folders = [1, 2].map(() => mkdtempSync(join(tmpdir(), "gateway-archive-")));

  after(() => folders.forEach((folder) => rmSync(folder, { recursive: true })));

  it("has the same bytes for the same content, wherever and whenever it is built", async () => {
    const [one, two] = [await gatewayArchive(own, folders[0]), await gatewayArchive(own, folders[1])];
    const bytes = gunzipSync(readFileSync(one.file));
    assert.equal(createHash("sha256").update(bytes).digest("hex"), one.sha256);
    assert.equal(two.sha256, one.sha256);
    assert.ok(bytes.equals(gunzipSync(readFileSync(two.file))));
    assert.ok(!bytes.subarray(0, 4_000_000).includes(process.cwd()), "nothing of this computer is in it");
  });

  it("is built once: later it is found by what went into it", async () => {
    const folder = folders[0]!;
    const archive = readdirSync(folder).find((name) => name.endsWith(".tar.gz"))!;
    const made = statSync(join(folder, archive)).mtimeMs;
    const again = await gatewayArchive(own, `${folder}/.`);
    assert.equal(statSync(again.file).mtimeMs, made);
  });

  it("says what to install where packages for the gateways' architecture are missing, koffi's part among them", async () => {
    await assert.rejects(gatewayArchive(other, folders[0]), (error: Error) => {
      const version = "@\\d+\\.\\d+\\.\\d+";
      const packages = `node-linux-${other}${version} @koromix/koffi-linux-${other}${version}`;
      assert.match(error.message, new RegExp(`npm install --no-save --force ${packages}$`));
      return true;
    });
  });

  it("is a tar that tar reads, whatever the order of its files", () => {
    const entries = [
      { path: "b/c", content: Buffer.from("two\n"), executable: true },
      { path: "a", content: Buffer.alloc(513, 7) },
      { path: "empty", content: Buffer.alloc(0) },
    ];
    assert.ok(tar(entries).equals(tar([...entries].reverse())));
    const folder = folders[1]!;
    writeFileSync(join(folder, "some.tar"), tar(entries));
    execFileSync("tar", ["-xf", "some.tar"], { cwd: folder });
    assert.equal(readFileSync(join(folder, "b/c"), "utf8"), "two\n");
    assert.equal(statSync(join(folder, "b/c")).mode & 0o777, 0o755);
    assert.equal(readFileSync(join(folder, "a")).length, 513);
    assert.throws(() => tar([{ path: "x".repeat(101), content: Buffer.alloc(0) }]), /too long/);
  });
});

describe("permissions of an AWS gateway", () => {
  const place: GatewayPlaceInAws = {
    partition: "aws",
    region: "eu-central-1",
    accountId: "444455556666",
    shadowName: "shop",
    bucketName: "shadownet-shop",
    parameters: ["/shadownet/shop/mirror/settings", "/shadownet/shop/mirror/intake"],
    interfaceIds: ["eni-1", "eni-2"],
  };
  const actionsOf = ({ Statement }: IamDocument): string[] => Statement.flatMap(({ Action }) => Action);

  it("are within the boundary, and each passes the endpoint of its service", () => {
    const endpoints: Record<string, string[]> = {
      s3: actionsOf(s3EndpointPolicy(place, [])),
      ssm: actionsOf(endpointPolicy(place, "ssm")),
      cloudwatch: actionsOf(endpointPolicy(place, "monitoring")),
      ec2: actionsOf(endpointPolicy(place, "ec2")),
    };
    const actions = actionsOf(gatewayPolicy(place));
    assert.equal(actions.length, 5);
    for (const action of actions) {
      assert.ok(isWithinBoundary(action), action);
      assert.ok(endpoints[action.split(":")[0]!]!.includes(action), `${action} passes the endpoint`);
    }
  });

  it("name their resources, except where AWS knows none; the metrics' namespace is named instead", () => {
    const broad = gatewayPolicy(place).Statement.filter(({ Resource }) => Resource?.includes("*"));
    assert.deepEqual(
      broad.map(({ Sid }) => Sid),
      ["PublishMetrics", "SeeInterface"],
    );
    assert.deepEqual(broad[0]!.Condition, { StringEquals: { "cloudwatch:namespace": "Shadownet" } });
    assert.deepEqual(broad[1]!.Action, ["ec2:DescribeNetworkInterfaces"]);
    const attach = gatewayPolicy(place).Statement.find(({ Sid }) => Sid === "AttachInterface")!;
    assert.deepEqual(attach.Condition, { StringEquals: { "aws:ResourceTag/shadownet:shadow": "shop" } });
    assert.ok(attach.Resource!.every((arn) => arn.startsWith("arn:aws:ec2:eu-central-1:444455556666:")));
  });

  it("do without the interface where none is attached, and are taken by EC2 alone", () => {
    const actions = actionsOf(gatewayPolicy({ ...place, interfaceIds: [] }));
    assert.ok(!actions.some((action) => action.startsWith("ec2:")));
    assert.deepEqual(
      gatewayTrust().Statement.map(({ Principal }) => Principal),
      [{ Service: "ec2.amazonaws.com" }],
    );
  });

  it("let nobody else at the bucket", () => {
    const { Statement } = bucketPolicy(place, "arn:aws:iam::444455556666:role/shadownet/shop/gateway");
    const allowed = Statement.filter(({ Effect }) => Effect === "Allow");
    assert.deepEqual(
      allowed.map(({ Principal }) => Principal),
      [{ AWS: "arn:aws:iam::444455556666:role/shadownet/shop/gateway" }],
    );
    const denied = Statement.filter(({ Effect }) => Effect === "Deny").map(({ Condition }) => Condition);
    assert.deepEqual(denied, [
      { StringNotEquals: { "aws:PrincipalAccount": "444455556666" } },
      { Bool: { "aws:SecureTransport": "false" } },
    ]);
  });
});
