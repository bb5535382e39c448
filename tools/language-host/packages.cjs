// What a Node program depends on, read from its package.json and node_modules.
"use strict";
const fs = require("node:fs");
const path = require("node:path");

function readJson(file) {
  try {
    return JSON.parse(fs.readFileSync(file, "utf8"));
  } catch {
    return undefined;
  }
}

/** The folder itself and every folder above it. */
function upwards(folder) {
  const parent = path.dirname(folder);
  return parent === folder ? [folder] : [folder, ...upwards(parent)];
}

function entries(folder) {
  try {
    return fs.readdirSync(folder);
  } catch {
    return [];
  }
}

/** Names of the packages that lie directly in a node_modules folder. */
function installedNames(modules) {
  return entries(modules).flatMap((name) =>
    name.startsWith("@") ? entries(path.join(modules, name)).map((inner) => `${name}/${inner}`) : [name],
  );
}

/** Every installed package that a program in this folder can import, the nearest of each name. */
function* installedPackages(folder) {
  const seen = new Set();
  for (const level of upwards(path.resolve(folder))) {
    const modules = path.join(level, "node_modules");
    for (const name of installedNames(modules)) {
      if (seen.has(name)) continue;
      const manifest = readJson(path.join(modules, name, "package.json"));
      if (manifest === undefined) continue;
      seen.add(name);
      yield { name, manifest };
    }
  }
}

/**
 * The provider plugins that the program's installed SDKs ask for: `pulumi: {resource: true}` in their package.json.
 * The engine installs what is missing and takes the default versions of providers from it.
 */
function requiredPackages(folder) {
  const found = [];
  for (const { name, manifest } of installedPackages(folder)) {
    const pulumi = manifest.pulumi;
    if (pulumi?.resource !== true) continue;
    const base = pulumi.name ?? name.replace(/^@pulumi\//, "").replace(/^@([^/]+)\//, "$1-");
    const version = `v${String(pulumi.version ?? manifest.version).replace(/^v/, "")}`;
    found.push({ name: base, version, server: pulumi.server, parameterization: pulumi.parameterization });
  }
  return found;
}

/** The program's dependencies with the installed version, or the asked range where nothing is installed. */
function programDependencies(folder, transitive) {
  const installed = new Map();
  for (const { name, manifest } of installedPackages(folder)) installed.set(name, String(manifest.version ?? ""));
  if (transitive) return [...installed].map(([name, version]) => ({ name, version }));
  const level = upwards(path.resolve(folder)).find((candidate) => fs.existsSync(path.join(candidate, "package.json")));
  const manifest = level === undefined ? undefined : readJson(path.join(level, "package.json"));
  const asked = { ...manifest?.devDependencies, ...manifest?.dependencies };
  return Object.entries(asked).map(([name, range]) => ({ name, version: installed.get(name) ?? range }));
}

module.exports = { requiredPackages, programDependencies };
