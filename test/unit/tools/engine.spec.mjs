import assert from "node:assert/strict";
import { createHash } from "node:crypto";
import {
  chmodSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  readdirSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { createServer } from "node:http";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { execFileSync } from "node:child_process";

import { afterEach, beforeEach, describe, it } from "mocha";

import { archiveName, checksumOf } from "../../../tools/lib/engine-download.mjs";
import { findGo } from "../../../tools/lib/engine-build.mjs";
import {
  allWays,
  engineCache,
  engineInCache,
  engineOnPath,
  engineVersion,
  findEngine,
  NoEngine,
} from "../../../tools/lib/engine.mjs";

let folder;
beforeEach(() => (folder = mkdtempSync(join(tmpdir(), "shadownet-tools-"))));
afterEach(() => rmSync(folder, { recursive: true, force: true }));

/** A program that prints a line, in a folder of its own. */
function fakeProgram(place, name, line) {
  mkdirSync(place, { recursive: true });
  writeFileSync(join(place, name), `#!/bin/sh\necho "${line}"\n`);
  chmodSync(join(place, name), 0o755);
  return place;
}

const failing = (way) => ({ way, find: () => Promise.reject(new Error(`no ${way}`)) });

describe("the search for an engine", () => {
  it("takes the first way that leads to one and does not try the rest", async () => {
    const tried = [];
    const way = (name, found) => ({
      way: name,
      find: async () => {
        tried.push(name);
        if (!found) throw new Error("no");
        return { folder: name, version: "3.259.0" };
      },
    });
    const found = await findEngine([way("a", false), way("b", true), way("c", true)]);
    assert.deepEqual(found, { way: "b", folder: "b", version: "3.259.0" });
    assert.deepEqual(tried, ["a", "b"]);
  });

  it("looks on PATH, in the cache, at the official site, and builds last", () => {
    const ways = allWays(() => undefined, {}).map(({ way }) => way);
    assert.deepEqual(ways, ["pulumi on PATH", "cache", "Pulumi's download", "build from Go modules"]);
  });

  it("says everything that was tried and what to do when nothing leads there, with exit code 3", async () => {
    const error = await findEngine([failing("first"), failing("second")]).catch((reason) => reason);
    assert.ok(error instanceof NoEngine);
    assert.equal(error.exitCode, 3);
    assert.match(error.message, /first: no first\n {2}second: no second/);
    assert.match(error.message, /install Pulumi/);
    assert.match(error.message, /install Go 1\.25/);
  });
});

describe("an engine on PATH", () => {
  it("is taken when it is new enough and has a language host", async () => {
    fakeProgram(folder, "pulumi", "v3.231.5");
    fakeProgram(folder, "pulumi-language-nodejs", "");
    assert.deepEqual(await engineOnPath({ PATH: folder, XDG_CACHE_HOME: folder }), { folder, version: "3.231.5" });
  });

  it("is run again only after it has changed", async () => {
    const environment = { PATH: folder, XDG_CACHE_HOME: folder };
    const runs = join(folder, "runs");
    fakeProgram(folder, "pulumi-language-nodejs", "");
    const install = (version) => fakeProgram(folder, "pulumi", `v${version}$(echo run >> ${runs})`);
    const count = () => readFileSync(runs, "utf8").split("\n").length - 1;
    install("3.240.0");
    await engineOnPath(environment);
    assert.equal((await engineOnPath(environment)).version, "3.240.0");
    assert.equal(count(), 1);
    install("3.2400.0");
    assert.equal((await engineOnPath(environment)).version, "3.2400.0");
    assert.equal(count(), 2);
  });

  it("is refused when it is too old, has no language host, does not run, or is not there", async () => {
    await assert.rejects(engineOnPath({ PATH: folder, XDG_CACHE_HOME: folder }), /not on PATH/);
    fakeProgram(folder, "pulumi", "v3.229.9");
    await assert.rejects(engineOnPath({ PATH: folder, XDG_CACHE_HOME: folder }), /is 3\.229\.9, older than 3\.230\.0/);
    fakeProgram(folder, "pulumi", "v3.259.0");
    await assert.rejects(engineOnPath({ PATH: folder, XDG_CACHE_HOME: folder }), /no pulumi-language-nodejs/);
    writeFileSync(join(folder, "pulumi"), "#!/bin/sh\nexit 7\n");
    await assert.rejects(engineOnPath({ PATH: folder, XDG_CACHE_HOME: folder }), /does not run/);
  });
});

describe("an engine in the cache", () => {
  it("is completed with the small language host of this checkout", async () => {
    const environment = { XDG_CACHE_HOME: folder };
    const cache = fakeProgram(engineCache(environment), "pulumi", `v${engineVersion}`);
    assert.deepEqual(await engineInCache(environment), { folder: cache, version: engineVersion });
    assert.ok(existsSync(join(cache, "pulumi-language-nodejs")));
    writeFileSync(join(cache, "language-host", "host.cjs"), "an older one");
    await engineInCache(environment);
    assert.match(readFileSync(join(cache, "language-host", "host.cjs"), "utf8"), /LanguageRuntime/);
  });

  it("is refused when it is another version or missing", async () => {
    const environment = { XDG_CACHE_HOME: folder };
    await assert.rejects(engineInCache(environment), /nothing in/);
    fakeProgram(engineCache(environment), "pulumi", "v3.1.0");
    await assert.rejects(engineInCache(environment), /holds 3\.1\.0, not 3\.259\.0/);
  });
});

describe("Pulumi's download", () => {
  let server;
  let files;
  let environment;

  beforeEach(async () => {
    files = new Map();
    server = createServer((request, response) => {
      const content = files.get(request.url);
      response.writeHead(content === undefined ? 404 : 200);
      response.end(content);
    });
    await new Promise((resolve) => server.listen(0, "127.0.0.1", resolve));
    const site = `http://127.0.0.1:${server.address().port}`;
    environment = { XDG_CACHE_HOME: join(folder, "cache"), SHADOWNET_PULUMI_DOWNLOADS: site, PATH: "" };
  });
  afterEach(() => new Promise((resolve) => server.close(resolve)));

  const download = () => {
    const way = allWays(() => undefined, environment).find((candidate) => candidate.way === "Pulumi's download");
    return way.find();
  };

  function publish({ version = engineVersion, checksum } = {}) {
    fakeProgram(join(folder, "pulumi"), "pulumi", `v${version}`);
    fakeProgram(join(folder, "pulumi"), "pulumi-language-nodejs", "");
    const name = archiveName(engineVersion);
    execFileSync("tar", ["-czf", join(folder, name), "-C", folder, "pulumi"]);
    const archive = readFileSync(join(folder, name));
    const hash = checksum ?? createHash("sha256").update(archive).digest("hex");
    files.set(`/${name}`, archive);
    files.set(`/pulumi-${engineVersion}-checksums.txt`, `${"0".repeat(64)}  other.tar.gz\n${hash}  ${name}\n`);
  }

  it("is unpacked into the cache when its checksum is the published one, and found there next time", async () => {
    publish();
    const { folder: cache } = await download();
    assert.equal(cache, engineCache(environment));
    assert.deepEqual(readdirSync(cache).sort(), ["pulumi", "pulumi-language-nodejs"]);
    assert.equal((await engineInCache(environment)).folder, cache);
    assert.deepEqual(readdirSync(cache).sort(), ["pulumi", "pulumi-language-nodejs"], "the official host was replaced");
  });

  it("leaves nothing in the cache when the checksum differs, the version is another one, or the site has nothing", async () => {
    await assert.rejects(download(), /HTTP 404/);
    publish({ checksum: "f".repeat(64) });
    await assert.rejects(download(), /has SHA-256 .* the published one is f+/);
    publish({ version: "3.1.0" });
    await assert.rejects(download(), /its version is 3\.1\.0/);
    assert.deepEqual(readdirSync(join(environment.XDG_CACHE_HOME, "shadownet", "engine")), []);
  });

  it("names the archive of each platform and refuses others", () => {
    assert.equal(archiveName("3.259.0", "linux", "x64"), "pulumi-v3.259.0-linux-x64.tar.gz");
    assert.equal(archiveName("3.259.0", "darwin", "arm64"), "pulumi-v3.259.0-darwin-arm64.tar.gz");
    assert.throws(() => archiveName("3.259.0", "sunos", "x64"), /no archive for sunos-x64/);
  });

  it("reads a checksums file", () => {
    assert.equal(checksumOf("b.tar.gz", "AA  a.tar.gz\nBB *b.tar.gz\n"), "bb");
    assert.throws(() => checksumOf("c.tar.gz", "aa  a.tar.gz\n"), /do not name c\.tar\.gz/);
  });
});

describe("Go for a build", () => {
  it("is taken from 1.25 on and refused before", async () => {
    fakeProgram(folder, "go", "go version go1.25.0 linux/amd64");
    assert.equal(await findGo({ PATH: folder }), join(folder, "go"));
    fakeProgram(folder, "go", "go version go1.24.9 linux/amd64");
    await assert.rejects(findGo({ PATH: folder }), /go1\.24\.9.*Go 1\.25 or newer is needed/);
  });
});
