// Pulumi's official archive of the engine: fetched, checked against its published checksums, unpacked.
import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { rm } from "node:fs/promises";
import { join } from "node:path";
import { Readable, Transform } from "node:stream";
import { pipeline } from "node:stream/promises";

import { capture } from "./processes.mjs";

const officialSite = "https://get.pulumi.com/releases/sdk";
const answerMilliseconds = 8_000;
const archiveMilliseconds = 10 * 60_000;

/** The file name of the archive for a platform; throws for one that Pulumi does not publish. */
export function archiveName(version, platform = process.platform, architecture = process.arch) {
  const system = { linux: "linux", darwin: "darwin" }[platform];
  const processor = { x64: "x64", arm64: "arm64" }[architecture];
  if (system === undefined || processor === undefined) throw new Error(`no archive for ${platform}-${architecture}`);
  return `pulumi-v${version}-${system}-${processor}.tar.gz`;
}

/** The SHA-256 of a file in the text of a checksums file (`<hex>  <file>` per line). */
export function checksumOf(file, text) {
  const line = text.split("\n").find((candidate) => candidate.trim().split(/\s+\*?/)[1] === file);
  if (line === undefined) throw new Error(`the published checksums do not name ${file}`);
  return line.trim().split(/\s+/)[0].toLowerCase();
}

/** Downloads and unpacks the engine into a folder. `SHADOWNET_PULUMI_DOWNLOADS` names a mirror of the official site. */
export async function downloadEngine({ version, folder, report, environment = process.env }) {
  const site = environment.SHADOWNET_PULUMI_DOWNLOADS || officialSite;
  const file = archiveName(version);
  const checksums = await (await request(`${site}/pulumi-${version}-checksums.txt`, answerMilliseconds)).text();
  const wanted = checksumOf(file, checksums);
  report(`downloading ${file} from ${site}`);
  const archive = join(folder, file);
  const given = await save(await request(`${site}/${file}`, archiveMilliseconds), archive);
  if (given !== wanted) throw new Error(`${file} has SHA-256 ${given}, the published one is ${wanted}`);
  const { code, output } = await capture("tar", ["-xzf", archive, "-C", folder, "--strip-components=1"]);
  if (code !== 0) throw new Error(`unpacking ${file}: ${output.trim()}`);
  await rm(archive);
}

async function request(url, milliseconds) {
  const response = await fetch(url, { signal: AbortSignal.timeout(milliseconds) }).catch((error) => {
    throw new Error(`${url}: ${error.cause?.code ?? error.cause?.message ?? error.message}`);
  });
  if (!response.ok) throw new Error(`${url}: HTTP ${response.status}`);
  return response;
}

async function save(response, path) {
  const hash = createHash("sha256");
  const measure = new Transform({
    transform(chunk, _encoding, done) {
      hash.update(chunk);
      done(undefined, chunk);
    },
  });
  await pipeline(Readable.fromWeb(response.body), measure, createWriteStream(path));
  return hash.digest("hex");
}
