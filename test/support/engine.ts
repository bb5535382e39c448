import { mkdir, mkdtemp, readFile, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";

import { tryRun, type CommandResult } from "../../components/internal/exec";

/** The root of this checkout. */
export const repository = resolve(__dirname, "../..");

const engineMilliseconds = 300_000;

/** What the engine did with resources in one operation, without the stack itself and the providers. */
export interface StepCounts {
  create: number;
  update: number;
  replace: number;
  delete: number;
  same: number;
  read: number;
  refresh: number;
}

/** One resource's step in an operation. */
export interface EngineStep {
  /** The engine's word: `create`, `update`, `replace`, `delete`, `same`, `refresh` … */
  operation: string;
  urn: string;
  /** The type's token, for example `shadownetlab:index:Machine`. */
  type: string;
  name: string;
  /** Property paths that differ, with their kind (`add`, `update`, `delete`, `add-replace` …). Empty without a difference. */
  differences: Record<string, string>;
}

/** A message that the engine, a provider or the program sent to the user. */
export interface Diagnostic {
  severity: string;
  message: string;
  urn?: string;
}

/** How one operation of the engine ended. */
export interface EngineResult extends CommandResult {
  counts: StepCounts;
  steps: EngineStep[];
  diagnostics: Diagnostic[];
}

/** What a temporary Pulumi project is made of. */
export interface EngineProjectArgs {
  /** Content of the program's `index.js`, CommonJS. `require("@pulumi/pulumi")` and `require("shadownet/lab")` work in it. */
  program: string;
  /** File that the engine runs. Defaults to `index.js`. */
  main?: string;
  /** Name of the project. Defaults to `test`. */
  name?: string;
  /** Name of the stack. Defaults to `dev`. */
  stack?: string;
  /** Options of the `nodejs` runtime. Defaults to plain JavaScript. */
  runtimeOptions?: Record<string, string | boolean>;
  /** Provider plugins: their name and the folder that holds `pulumi-resource-<name>`. Defaults to none. */
  providers?: { name: string; path: string }[];
  /** Further files of the project, path to content. */
  files?: Record<string, string>;
  /** Environment of every operation, beside the process's own. */
  environment?: Record<string, string>;
}

/** A Pulumi project in a temporary folder with a file back end, a home and a passphrase of its own. */
export interface EngineProject {
  /** The folder of the program and its Pulumi.yaml. */
  folder: string;
  write(file: string, content: string): Promise<void>;
  setConfig(key: string, value: string, options?: { secret?: boolean }): Promise<void>;
  preview(...args: string[]): Promise<EngineResult>;
  up(...args: string[]): Promise<EngineResult>;
  refresh(...args: string[]): Promise<EngineResult>;
  destroy(...args: string[]): Promise<EngineResult>;
  /** Outputs of the stack, secrets in clear. */
  outputs(): Promise<Record<string, unknown>>;
  /** The state as `pulumi stack export` gives it. */
  exportState(): Promise<StackState>;
  /** The same project with another stack. Only the first is to be disposed of: that destroys both stacks. */
  withStack(stack: string): Promise<EngineProject>;
  /** Any command of the engine. */
  pulumi(args: readonly string[]): Promise<CommandResult>;
  /** Destroys what is left of the stack and removes the folder. Throws when something could not be destroyed. */
  dispose(): Promise<void>;
}

/** The part of an exported stack that tests look at. */
export interface StackState {
  deployment: {
    resources?: {
      urn: string;
      type: string;
      id?: string;
      inputs?: Record<string, unknown>;
      outputs?: Record<string, unknown>;
      parent?: string;
      dependencies?: string[];
      propertyDependencies?: Record<string, string[]>;
    }[];
  };
}

interface EngineEvent {
  resourcePreEvent?: { metadata: StepMetadata };
  diagnosticEvent?: Diagnostic & { ephemeral?: boolean };
}

interface StepMetadata {
  op: string;
  urn: string;
  type: string;
  detailedDiff?: Record<string, { diffKind: string }> | null;
}

/** Makes a temporary project and its stack. The engine must be set up (`node tools/setup.mjs`). */
export async function makeEngineProject(args: EngineProjectArgs): Promise<EngineProject> {
  const base = await mkdtemp(join(tmpdir(), "shadownet-engine-"));
  const folder = join(base, "program");
  await mkdir(join(base, "state"));
  await mkdir(folder);
  await writeFile(join(base, "passphrase"), "a passphrase for tests only", { mode: 0o600 });
  const name = args.name ?? "test";
  const project = {
    name,
    runtime: { name: "nodejs", options: args.runtimeOptions ?? { typescript: false } },
    ...(args.main === undefined ? {} : { main: args.main }),
    ...(args.providers === undefined ? {} : { plugins: { providers: args.providers } }),
  };
  await writeFile(join(folder, "Pulumi.yaml"), JSON.stringify(project));
  await writeFile(join(folder, "package.json"), JSON.stringify({ name, private: true }));
  for (const [file, content] of Object.entries({ "index.js": args.program, ...args.files })) {
    await writeInside(folder, file, content);
  }
  await linkModules(folder);
  return openStack({ base, folder, environment: args.environment ?? {} }, args.stack ?? "dev");
}

/** Links this checkout, and the SDKs, into the program's node_modules, as an installation would put them there. */
async function linkModules(folder: string): Promise<void> {
  await mkdir(join(folder, "node_modules", "@pulumi"), { recursive: true });
  await symlink(repository, join(folder, "node_modules", "shadownet"));
  for (const name of ["pulumi", "aws"]) {
    const sdk = join("node_modules", "@pulumi", name);
    await symlink(join(repository, sdk), join(folder, sdk));
  }
}

interface Place {
  base: string;
  folder: string;
  environment: Record<string, string>;
}

async function writeInside(folder: string, file: string, content: string): Promise<void> {
  await mkdir(dirname(join(folder, file)), { recursive: true });
  await writeFile(join(folder, file), content);
}

async function openStack(place: Place, stack: string): Promise<EngineProject> {
  const { base, folder } = place;
  const pulumi = (args: readonly string[]) => runEngine(place, [...args]);
  const onStack = async (args: readonly string[]) => {
    const result = await pulumi([...args, "--stack", stack]);
    if (result.code !== 0) throw new Error(`pulumi ${args.join(" ")}: ${result.stderr}${result.stdout}`);
    return result.stdout;
  };
  const operate = (command: string, args: readonly string[]) => runOperation(place, stack, command, args);
  const confirmed = (args: readonly string[]) => ["--yes", "--skip-preview", ...args];
  const created = await pulumi(["stack", "init", stack, "--no-select"]);
  if (created.code !== 0) throw new Error(`pulumi stack init: ${created.stderr}`);
  const others: EngineProject[] = [];
  const destroyAll = async (): Promise<void> => {
    for (const other of others) await other.destroy();
    const { code, stdout, stderr } = await operate("destroy", confirmed([]));
    if (code !== 0) throw new Error(`could not destroy stack ${stack} in ${folder}: ${stderr}${stdout}`);
  };
  return {
    folder,
    pulumi,
    write: (file, content) => writeInside(folder, file, content),
    setConfig: async (key, value, options = {}) => {
      await onStack(["config", "set", options.secret === true ? "--secret" : "--plaintext", key, value]);
    },
    preview: (...args) => operate("preview", args),
    up: (...args) => operate("up", confirmed(args)),
    refresh: (...args) => operate("refresh", confirmed(args)),
    destroy: (...args) => operate("destroy", confirmed(args)),
    outputs: async () =>
      JSON.parse(await onStack(["stack", "output", "--json", "--show-secrets"])) as Record<string, unknown>,
    exportState: async () => JSON.parse(await onStack(["stack", "export"])) as StackState,
    withStack: async (name) => {
      const other = await openStack(place, name);
      others.push(other);
      return other;
    },
    dispose: async () => {
      try {
        await destroyAll();
      } finally {
        await rm(base, { recursive: true, force: true });
      }
    },
  };
}

function runEngine({ base, folder, environment }: Place, args: string[]): Promise<CommandResult> {
  return tryRun([process.execPath, join(repository, "tools", "pulumi.mjs"), ...args, "--non-interactive"], {
    cwd: folder,
    timeoutMilliseconds: engineMilliseconds,
    env: {
      PULUMI_BACKEND_URL: `file://${join(base, "state")}`,
      PULUMI_HOME: join(base, "home"),
      PULUMI_CONFIG_PASSPHRASE_FILE: join(base, "passphrase"),
      PULUMI_DEBUG_COMMANDS: "true",
      ...environment,
    },
  });
}

async function runOperation(
  place: Place,
  stack: string,
  command: string,
  args: readonly string[],
): Promise<EngineResult> {
  const log = join(place.base, `${stack}-events.json`);
  await rm(log, { force: true });
  const common = ["--stack", stack, "--event-log", log, "--color", "never", "--suppress-progress"];
  const result = await runEngine(place, [command, ...common, ...args]);
  const events = await readEvents(log);
  const steps = events.flatMap((event) => stepOf(event) ?? []);
  return { ...result, steps, counts: countSteps(steps), diagnostics: events.flatMap((event) => diagnosticOf(event)) };
}

async function readEvents(log: string): Promise<EngineEvent[]> {
  try {
    const text = await readFile(log, "utf8");
    return text
      .split("\n")
      .filter((line) => line.trim() !== "")
      .map((line) => JSON.parse(line) as EngineEvent);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === "ENOENT") return [];
    throw error;
  }
}

/** A replacement is three steps to the engine; the one that stands for it is `replace`. */
const partOfReplacement = ["create-replacement", "delete-replaced", "discard-replaced", "read-replacement"];

function stepOf({ resourcePreEvent }: EngineEvent): EngineStep | undefined {
  if (resourcePreEvent === undefined) return undefined;
  const { op, urn, type, detailedDiff } = resourcePreEvent.metadata;
  const isOwn = type === "pulumi:pulumi:Stack" || type.startsWith("pulumi:providers:");
  if (isOwn || partOfReplacement.includes(op)) return undefined;
  const differences = Object.fromEntries(
    Object.entries(detailedDiff ?? {}).map(([path, { diffKind }]) => [path, diffKind]),
  );
  return { operation: op, urn, type, name: urn.split("::").at(-1)!, differences };
}

function countSteps(steps: readonly EngineStep[]): StepCounts {
  const count = (operation: string) => steps.filter((step) => step.operation === operation).length;
  return {
    create: count("create"),
    update: count("update"),
    replace: count("replace"),
    delete: count("delete"),
    same: count("same"),
    read: count("read"),
    refresh: count("refresh"),
  };
}

function diagnosticOf({ diagnosticEvent }: EngineEvent): Diagnostic[] {
  if (diagnosticEvent === undefined || diagnosticEvent.ephemeral === true) return [];
  const { severity, message, urn } = diagnosticEvent;
  return [{ severity, message: message.replaceAll(/<\{%.*?%\}>/g, ""), ...(urn === undefined ? {} : { urn }) }];
}
