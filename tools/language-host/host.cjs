// The Node language host that stands beside an engine built from its Go modules: Pulumi's own host ships only with the
// official download. It serves pulumirpc.LanguageRuntime for `runtime: nodejs`; what it leaves out, it says.
"use strict";
const { spawn } = require("node:child_process");
const fs = require("node:fs");
const path = require("node:path");
const { requiredPackages, programDependencies } = require("./packages.cjs");

const sdkMissing = (folder) =>
  `the Pulumi SDK (@pulumi/pulumi) is not installed where ${folder} can find it; run npm install there`;

/** The folder of the program's own SDK, so that host and program speak the same protocol version. */
function sdkFolder() {
  const folders = [process.cwd(), process.env.SHADOWNET_ROOT, __dirname].filter(Boolean);
  try {
    return path.dirname(require.resolve("@pulumi/pulumi/package.json", { paths: folders }));
  } catch {
    console.error(sdkMissing(process.cwd()));
    process.exit(1);
  }
}

const sdk = sdkFolder();

/** A module of the SDK, or one that the SDK itself depends on. */
const fromSdk = (name) => require(require.resolve(name, { paths: [sdk] }));

const grpc = fromSdk("@grpc/grpc-js");
const messages = fromSdk("@pulumi/pulumi/proto/language_pb.js");
const plugin = fromSdk("@pulumi/pulumi/proto/plugin_pb.js");
const { LanguageRuntimeService } = fromSdk("@pulumi/pulumi/proto/language_grpc_pb.js");
const { Empty } = fromSdk("google-protobuf/google/protobuf/empty_pb.js");

const engineAddress = process.argv.slice(2).findLast((argument) => !argument.startsWith("-")) ?? "";
const messageBytes = 400 * 1024 * 1024;
const alreadyReported = 32; // the exit code with which the SDK says that the user has seen the error
const killAfterMilliseconds = 5000;

const children = new Set();

function start(args, options) {
  const child = spawn(process.execPath, args, { ...options, stdio: ["ignore", "pipe", "pipe"] });
  children.add(child);
  child.on("close", () => children.delete(child));
  return child;
}

/** Asks a program to end and, when it does not, ends it. */
function stop(child) {
  child.kill("SIGTERM");
  setTimeout(() => child.kill("SIGKILL"), killAfterMilliseconds).unref();
}

const programFolder = (info) => info?.getProgramDirectory() || process.cwd();
const isOn = (value, otherwise) => (value === undefined ? otherwise : value === true || value === "true");

/** What the options of `runtime:` in Pulumi.yaml mean for the Node process. */
function nodeSettings(info) {
  const options = info?.getOptions()?.toJavaScript() ?? {};
  const environment = {};
  if (isOn(options.typescript, true)) environment.PULUMI_NODEJS_TYPESCRIPT = "true";
  const tsconfig = options.tsconfig ?? options.tsconfigpath;
  if (tsconfig) environment.PULUMI_NODEJS_TSCONFIG_PATH = String(tsconfig);
  const args = String(options.nodeargs ?? "")
    .split(/\s+/)
    .filter(Boolean);
  return { args, environment };
}

function resolveSdk(folder, name) {
  try {
    return require.resolve(name, { paths: [folder, process.env.SHADOWNET_ROOT ?? folder] });
  } catch {
    throw new Error(sdkMissing(folder));
  }
}

const unary = (handle) => (call, callback) =>
  Promise.resolve()
    .then(() => handle(call.request, call))
    .then(
      (response) => callback(null, response),
      (error) => callback({ code: grpc.status.UNKNOWN, details: error.message }),
    );

const refuseDebugger = (request) => {
  if (request.getAttachDebugger()) throw new Error(unsupported("the debugger"));
};

const unsupported = (what) =>
  `${what} is not supported by the small language host beside a self-built engine; ` +
  "install Pulumi (https://www.pulumi.com/docs/install/), put it on PATH and try again";

/** Runs the user's program; an error that the program has shown itself is not shown twice. */
async function run(request, call) {
  refuseDebugger(request);
  const info = request.getInfo();
  const folder = programFolder(info);
  const { args, environment } = nodeSettings(info);
  args.push(resolveSdk(folder, process.env.PULUMI_LANGUAGE_NODEJS_RUN_PATH || "@pulumi/pulumi/cmd/run"));
  const flags = {
    monitor: request.getMonitorAddress(),
    engine: engineAddress,
    organization: request.getOrganization(),
    project: request.getProject(),
    stack: request.getStack(),
    "root-directory": info?.getRootDirectory(),
    pwd: request.getPwd(),
    parallel: request.getParallel(),
  };
  for (const [name, value] of Object.entries(flags)) if (value) args.push(`--${name}`, String(value));
  if (request.getDryrun()) args.push("--dry-run");
  args.push(info?.getEntryPoint() || request.getProgram() || ".", ...request.getArgsList());
  const child = start(args, {
    cwd: folder,
    env: {
      ...process.env,
      ...environment,
      PULUMI_CONFIG: JSON.stringify(Object.fromEntries(request.getConfigMap().toArray())),
      PULUMI_CONFIG_SECRET_KEYS: JSON.stringify(request.getConfigsecretkeysList()),
    },
  });
  call.on("cancelled", () => stop(child));
  child.stdout.pipe(process.stdout, { end: false });
  child.stderr.pipe(process.stderr, { end: false });
  const { code, signal } = await ended(child);
  const response = new messages.RunResponse();
  if (code === alreadyReported) response.setBail(true);
  else if (code !== 0) response.setError(`Program exited with ${signal ? `signal ${signal}` : `exit code ${code}`}`);
  return response;
}

function ended(child) {
  return new Promise((resolve, reject) => {
    child.on("error", reject);
    child.on("close", (code, signal) => resolve({ code, signal }));
  });
}

/** Streams what a child prints into a call whose responses have setStdout and setStderr. */
function stream(child, call, Response) {
  child.stdout.on("data", (bytes) => send(call, Response, (response) => response.setStdout(bytes)));
  child.stderr.on("data", (bytes) => send(call, Response, (response) => response.setStderr(bytes)));
  call.on("cancelled", () => stop(child));
}

function send(call, Response, fill) {
  const response = new Response();
  fill(response);
  call.write(response);
}

/** Runs a component package or a policy pack that is written for Node. */
function runPlugin(call) {
  const finish = (code, message) => {
    if (message) send(call, messages.RunPluginResponse, (response) => response.setStderr(Buffer.from(`${message}\n`)));
    send(call, messages.RunPluginResponse, (response) => response.setExitcode(code));
    call.end();
  };
  try {
    const child = startPlugin(call.request);
    stream(child, call, messages.RunPluginResponse);
    ended(child).then(
      ({ code }) => finish(code ?? 1),
      (error) => finish(1, error.message),
    );
  } catch (error) {
    finish(1, error.message);
  }
}

function startPlugin(request) {
  refuseDebugger(request);
  const info = request.getInfo();
  const folder = programFolder(info);
  const isPolicyPack = request.getKind() === "analyzer";
  const { args, environment } = nodeSettings(info);
  args.push(resolveSdk(folder, `@pulumi/pulumi/cmd/${isPolicyPack ? "run-policy-pack" : "run-plugin"}`));
  if (isPolicyPack) args.push(...request.getArgsList().slice(-1), folder);
  else args.push(folder, ...request.getArgsList());
  const given = request.getEnvList().map((entry) => {
    const at = entry.indexOf("=");
    return [entry.slice(0, at), entry.slice(at + 1)];
  });
  return start(args, {
    cwd: isPolicyPack ? folder : request.getPwd() || folder,
    env: { ...process.env, ...environment, ...Object.fromEntries(given) },
  });
}

/** `pulumi install`: the packages of a program or plugin, by npm, unless its SDK is there already. */
function installDependencies(call) {
  const folder = call.request.getDirectory() || programFolder(call.request.getInfo());
  try {
    require.resolve("@pulumi/pulumi/package.json", { paths: [folder] });
    call.end();
    return;
  } catch {
    const child = spawn("npm", ["install", "--no-audit", "--no-fund"], {
      cwd: folder,
      stdio: ["ignore", "pipe", "pipe"],
    });
    children.add(child);
    stream(child, call, messages.InstallDependenciesResponse);
    const fail = (reason) =>
      call.destroy(Object.assign(new Error(reason), { code: grpc.status.UNKNOWN, details: reason }));
    child.on("error", (error) => fail(`npm install in ${folder}: ${error.message}`));
    child.on("close", (code) => {
      children.delete(child);
      if (code === 0) call.end();
      else fail(`npm install in ${folder} ended with exit code ${code}`);
    });
  }
}

function about() {
  const response = new messages.AboutResponse();
  response.setExecutable(process.execPath);
  response.setVersion(process.version);
  response.getMetadataMap().set("languageHost", "shadownet");
  return response;
}

function pluginInfo() {
  const info = new plugin.PluginInfo();
  info.setVersion(fromSdk("@pulumi/pulumi/package.json").version);
  return info;
}

function describeRequiredPackages(request) {
  const response = new messages.GetRequiredPackagesResponse();
  for (const found of requiredPackages(programFolder(request.getInfo()))) {
    const dependency = new plugin.PackageDependency();
    dependency.setName(found.name);
    dependency.setKind("resource");
    dependency.setVersion(found.version);
    if (found.server) dependency.setServer(found.server);
    if (found.parameterization) {
      const parameterization = new plugin.PackageParameterization();
      parameterization.setName(found.parameterization.name);
      parameterization.setVersion(found.parameterization.version);
      parameterization.setValue(found.parameterization.value);
      dependency.setParameterization(parameterization);
    }
    response.addPackages(dependency);
  }
  return response;
}

function describeDependencies(request) {
  const response = new messages.GetProgramDependenciesResponse();
  for (const { name, version } of programDependencies(
    programFolder(request.getInfo()),
    request.getTransitivedependencies(),
  )) {
    const dependency = new messages.DependencyInfo();
    dependency.setName(name);
    dependency.setVersion(version);
    response.addDependencies(dependency);
  }
  return response;
}

function cancel() {
  for (const child of children) stop(child);
  return new Empty();
}

const refuse = (what) => (call, callback) => {
  const error = { code: grpc.status.UNIMPLEMENTED, details: unsupported(what) };
  if (callback) callback(error);
  else call.destroy(Object.assign(new Error(error.details), error));
};

const handlers = {
  handshake: unary(() => new messages.LanguageHandshakeResponse()),
  getPluginInfo: unary(pluginInfo),
  about: unary(about),
  getRequiredPackages: unary(describeRequiredPackages),
  getProgramDependencies: unary(describeDependencies),
  run: unary(run),
  runPlugin,
  installDependencies,
  cancel: unary(cancel),
  runtimeOptionsPrompts: unary(() => new messages.RuntimeOptionsResponse()),
  template: refuse("making a project from a template (pulumi new)"),
  generateProgram: refuse("generating a program (pulumi convert, pulumi import)"),
  generateProject: refuse("generating a project (pulumi convert)"),
  generatePackage: refuse("generating an SDK (pulumi package gen-sdk, pulumi package add)"),
  pack: refuse("packing an SDK (pulumi package pack-sdk)"),
  link: refuse("linking an SDK into a project (pulumi package add)"),
};

function serve() {
  const limits = { "grpc.max_receive_message_length": messageBytes, "grpc.max_send_message_length": messageBytes };
  const server = new grpc.Server(limits);
  const served = Object.entries(handlers).filter(([name]) => name in LanguageRuntimeService);
  server.addService(LanguageRuntimeService, Object.fromEntries(served));
  server.bindAsync("127.0.0.1:0", grpc.ServerCredentials.createInsecure(), (error, port) => {
    if (error) throw error;
    console.log(String(port));
  });
}

function leave() {
  for (const child of children) child.kill("SIGTERM");
  process.exit(0);
}

for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, leave);
// The engine holds our standard input open: when that ends, an engine that crashed is gone, and so are we.
if (engineAddress && fs.fstatSync(0).isFIFO()) process.stdin.on("end", leave).on("error", leave).resume();
process.title = `pulumi-language-nodejs ${path.basename(process.cwd())}`;
serve();
