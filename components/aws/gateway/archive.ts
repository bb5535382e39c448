import { createHash } from "node:crypto";
import { existsSync, readFileSync } from "node:fs";
import { readFile, stat, writeFile, mkdir, rename } from "node:fs/promises";
import { createRequire } from "node:module";
import { homedir } from "node:os";
import { dirname, join } from "node:path";
import { promisify } from "node:util";
import { gzip } from "node:zlib";

import { readRecord, writeAtomically } from "../../internal/files";
import { ExitCode, ShadownetError } from "../../internal/problems";
import { networkScript } from "./networkScript";
import { type TarEntry, tar } from "./tar";
import { gatewayScript } from "./units";

/** Processor architecture, as Node's packages call it. */
export type Architecture = "x64" | "arm64";

/** What a gateway instance runs, in one file: Node, the gateway, its agent, and the script that sets its network up. */
export interface GatewayArchive {
  /** The compressed archive on this computer. */
  file: string;
  /** SHA-256 of the archive before compression: the same for the same content, whatever compressed it. */
  sha256: string;
}

const packageRoot = nearestPackage(__dirname);
const load = createRequire(__filename);

const building = new Map<string, Promise<GatewayArchive>>();

/**
 * Builds the archive, or finds it where it was built before; in one process each is built once. What is compiled for the
 * architecture comes from npm packages, which are looked for from `packages` upwards.
 */
export function gatewayArchive(
  architecture: Architecture,
  folder = cacheFolder(),
  packages = packageRoot.folder,
): Promise<GatewayArchive> {
  const key = `${folder}/${architecture}`;
  const known = building.get(key) ?? build(architecture, folder, packages);
  building.set(key, known);
  return known;
}

async function build(architecture: Architecture, folder: string, packages: string): Promise<GatewayArchive> {
  const found = compiledPackages(architecture, packages);
  const node = join(found.node, "bin", "node");
  const small = await smallEntries(architecture, found.foreign);
  // Reading the 120 MB of Node at every preview would be felt: what was built of the same file is found by its record.
  const record = join(folder, `${await inputDigest(node, small)}.json`);
  const known = await readRecord<{ sha256: string }>(record);
  const fileOf = (sha256: string): string => join(folder, `gateway-${architecture}-${sha256}.tar.gz`);
  if (known !== undefined && existsSync(fileOf(known.sha256)))
    return { file: fileOf(known.sha256), sha256: known.sha256 };
  const bytes = tar([...small, { path: "bin/node", content: await readFile(node), executable: true }]);
  const sha256 = digest(bytes);
  await writeCompressed(fileOf(sha256), bytes);
  await writeAtomically(record, JSON.stringify({ sha256 }));
  return { file: fileOf(sha256), sha256 };
}

async function writeCompressed(file: string, bytes: Buffer): Promise<void> {
  await mkdir(dirname(file), { recursive: true });
  const compressed = await promisify(gzip)(bytes, { level: 6 });
  const temporary = `${file}.${process.pid}.tmp`;
  await writeFile(temporary, compressed);
  await rename(temporary, file);
}

async function smallEntries(architecture: Architecture, foreign: ForeignFolders | undefined): Promise<TarEntry[]> {
  const [gateway, agent] = await Promise.all([
    bundle(join(packageRoot.components, "runtime", "gateway", "main")),
    bundle(join(packageRoot.components, "aws", "gateway", "main")),
  ]);
  return [
    { path: "gateway.js", content: gateway },
    { path: "agent.js", content: agent },
    { path: "gateway.sh", content: Buffer.from(gatewayScript), executable: true },
    { path: "network.sh", content: Buffer.from(networkScript), executable: true },
    ...(foreign === undefined ? [] : foreignFunctions(architecture, foreign)),
  ];
}

/** One program in one file. Minified, because otherwise the places of packages on this computer would be in it. */
async function bundle(program: string): Promise<Buffer> {
  const { build: run } = await import("esbuild");
  const source = [`${program}.ts`, `${program}.js`].find((file) => existsSync(file));
  if (source === undefined) throw new ShadownetError("no-gateway", `${program} is missing: the package is not whole`);
  const { outputFiles } = await run({
    entryPoints: [source],
    bundle: true,
    platform: "node",
    format: "cjs",
    target: "node22",
    minify: true,
    legalComments: "none",
    write: false,
    absWorkingDir: packageRoot.folder,
    logLevel: "silent",
  });
  return Buffer.from(outputFiles[0]!.contents);
}

/** Where the package that calls the kernel for many packets at once is, and its part for an architecture. */
interface ForeignFolders {
  koffi: string;
  native: string;
}

function foreignFunctions(architecture: Architecture, { koffi, native }: ForeignFolders): TarEntry[] {
  const parts: [string, string, string[]][] = [
    ["koffi", koffi, ["package.json", "index.cjs", "src/koffi/index.cjs", "src/koffi/src/static.cjs"]],
    [nativePackage(architecture), native, ["package.json", "index.js", `linux_${architecture}/koffi.node`]],
  ];
  return parts.flatMap(([name, folder, files]) =>
    files.map((file) => ({ path: `node_modules/${name}/${file}`, content: readFileSync(join(folder, file)) })),
  );
}

function nativePackage(architecture: Architecture): string {
  return `@koromix/koffi-linux-${architecture}`;
}

/**
 * Folders of the packages that are compiled for an architecture; npm leaves out those of another one than this
 * computer's. Without koffi a gateway takes packets one by one.
 */
function compiledPackages(architecture: Architecture, from: string): { node: string; foreign?: ForeignFolders } {
  const koffi = packageFolder("koffi", from);
  const wanted: [string, string][] = [
    [`node-linux-${architecture}`, packageRoot.folder],
    ...(koffi === undefined ? [] : [[nativePackage(architecture), koffi] satisfies [string, string]]),
  ];
  const [node, native] = wanted.map(([name]) => packageFolder(name, from));
  const missing = wanted.filter((_, index) => [node, native][index] === undefined);
  if (node === undefined || missing.length > 0) throw missingPackages(architecture, missing);
  return { node, ...(koffi === undefined || native === undefined ? {} : { foreign: { koffi, native } }) };
}

/** Says which packages to install, in the versions that the packages that ask for them name. */
function missingPackages(architecture: Architecture, missing: readonly [string, string][]): ShadownetError {
  const named = missing.map(([name, asking]) => {
    const { optionalDependencies = {} } = load(join(asking, "package.json")) as Manifest;
    return `${name}@${optionalDependencies[name] ?? "latest"}`;
  });
  const message =
    `the gateways need what npm leaves out on this computer, because it is compiled for Linux on ${architecture}; ` +
    `install it: npm install --no-save --force ${named.join(" ")}`;
  return new ShadownetError("no-node-binary", message, ExitCode.NotPossibleHere);
}

interface Manifest {
  optionalDependencies?: Record<string, string>;
}

function packageFolder(name: string, from: string): string | undefined {
  for (let at = from; ; at = dirname(at)) {
    const folder = join(at, "node_modules", name);
    if (existsSync(join(folder, "package.json"))) return folder;
    if (at === dirname(at)) return undefined;
  }
}

async function inputDigest(node: string, entries: readonly TarEntry[]): Promise<string> {
  const { size, mtimeMs } = await stat(node);
  const parts = entries.map(({ path, content }) => `${path} ${digest(content)}`);
  return digest(Buffer.from(JSON.stringify([node, size, mtimeMs, ...parts])));
}

function digest(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** Folder of the package, and of the components in the same form as this file: sources, or what was compiled. */
function nearestPackage(start: string): { folder: string; components: string } {
  let folder = start;
  while (!existsSync(join(folder, "package.json"))) folder = dirname(folder);
  return { folder, components: dirname(dirname(start)) };
}

function cacheFolder(): string {
  return join(process.env.XDG_CACHE_HOME ?? join(homedir(), ".cache"), "shadownet", "archives");
}
