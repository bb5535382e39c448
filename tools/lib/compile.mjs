// The package compiled to dist/, again only when a source has changed.
import { cpSync, existsSync, mkdirSync, readFileSync, readdirSync, rmSync, statSync, writeFileSync } from "node:fs";
import { dirname, join, relative } from "node:path";

import { projectNode } from "./node.mjs";
import { root } from "./paths.mjs";
import { capture } from "./processes.mjs";

const sourceFolders = ["components", "policies", "examples"];
const settings = ["tsconfig.json", "tsconfig.build.json", "package-lock.json"];

function* filesIn(folder) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    const path = join(folder, entry.name);
    if (entry.isDirectory()) {
      if (entry.name !== "node_modules") yield* filesIn(path);
    } else if (entry.isFile()) yield path;
  }
}

/** Every source with its time and size: what the stamp in dist/ is compared with. */
export function sourcesOf(folder = root) {
  const files = sourceFolders.map((name) => join(folder, name)).filter(existsSync);
  const paths = [...files.flatMap((path) => [...filesIn(path)]), ...settings.map((name) => join(folder, name))];
  return Object.fromEntries(
    paths.filter(existsSync).map((path) => {
      const { mtimeMs, size } = statSync(path);
      return [relative(folder, path), `${mtimeMs}:${size}`];
    }),
  );
}

const stampOf = (folder) => join(folder, "dist", ".sources.json");

function compiledSources(folder) {
  return existsSync(stampOf(folder)) ? JSON.parse(readFileSync(stampOf(folder), "utf8")) : undefined;
}

/** Whether dist/ was made from the sources as they are now. */
export function isCompiled(folder = root) {
  return JSON.stringify(compiledSources(folder)) === JSON.stringify(sourcesOf(folder));
}

/** Files that the compiled code reads at run time: everything beside the TypeScript, except launchers. */
const isAsset = (path) => !/\.(ts|md)$/.test(path) && !path.includes("/bin/") && !settings.includes(path);

/** Compiles with the project's own compiler and copies what is not TypeScript. */
export async function compile(folder = root) {
  const sources = sourcesOf(folder);
  const before = compiledSources(folder);
  if (before === undefined || Object.keys(before).some((path) => !(path in sources))) {
    rmSync(join(folder, "dist"), { recursive: true, force: true });
  }
  const compiler = join(folder, "node_modules", "typescript", "bin", "tsc");
  const { code, output } = await capture(projectNode(folder), [compiler, "-p", "tsconfig.build.json"], { cwd: folder });
  if (code !== 0) throw new Error(`the sources do not compile\n${output.trim()}`);
  for (const path of Object.keys(sources).filter(isAsset)) {
    const target = join(folder, "dist", path);
    mkdirSync(dirname(target), { recursive: true });
    cpSync(join(folder, path), target);
  }
  mkdirSync(join(folder, "dist"), { recursive: true });
  writeFileSync(stampOf(folder), JSON.stringify(sources));
}

/** The set-up step of the compilation. */
export const compileStep = {
  title: "compiled code",
  plan: () => (isCompiled() ? undefined : "tsc into dist/ (typically 10 s)"),
  run: () => compile(),
};
