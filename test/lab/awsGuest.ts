import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";

import { planExperiment } from "../../components/aws/experiment/plan";
import type { CommandDocument } from "../../components/aws/experiment/model";
import type { ExperimentAction } from "../../components/experiment";
import { run } from "../../components/internal/exec";
import type { Topology } from "../../components/topology";
import type { FaultBed } from "./faultsBed";

/** VPC of the stand-in for the instance metadata, unless a test says otherwise. */
export const shadowVpc = "vpc-0123456789abcdef0";

/** The bed's machine `b` as an instance in a topology; a device index other than 0 makes its interface a secondary one. */
export function guestTopology(bed: FaultBed, deviceIndex = 0): Topology {
  return {
    version: 1,
    name: "bed",
    networks: [{ name: "bed", cidrs: ["10.9.0.0/24"], subnets: [{ name: "front", cidr: "10.9.0.0/24" }] }],
    machines: [
      {
        name: "b",
        interfaces: [
          {
            name: "card",
            subnet: "front",
            addresses: Object.values(bed.addresses.b),
            aws: { id: "eni-1", deviceIndex },
          },
        ],
      },
    ],
  };
}

/** The document of one action, as the planner makes it for the bed's machine with what this kernel can do. */
export function documentFor(
  bed: FaultBed,
  action: ExperimentAction,
  settings: { topology?: Topology; workloadGroup?: string } = {},
): CommandDocument {
  const { topology = guestTopology(bed), workloadGroup } = settings;
  const planned = planExperiment(
    { actions: { act: action }, blastRadius: { percent: 100 } },
    {},
    { experimentName: bed.name, topology, workloadGroup, capabilities: bed.capabilities },
  );
  if (planned.problems.length > 0) throw new Error(JSON.stringify(planned.problems));
  return planned.plan.documents[0]!.content;
}

/** A command that runs in the machine as the agent of Systems Manager runs it: a file, by `sh`, in a process group of its own. */
export class GuestCommand {
  private constructor(
    readonly process: ChildProcess,
    readonly ended: Promise<number | null>,
    private readonly folder: string,
    private readonly text: { out: string },
  ) {}

  static async start(bed: FaultBed, document: CommandDocument, vpc = shadowVpc): Promise<GuestCommand> {
    const folder = await mkdtemp(join(tmpdir(), "shadownet-guest-"));
    const script = join(folder, "_script.sh");
    const lines = document.mainSteps[0]!.inputs.runCommand.map((line) => line.replaceAll("{{ VpcId }}", vpc));
    await writeFile(script, lines.join("\n"));
    const argv = [`--net=/run/netns/${bed.namespace("b")}`, "sh", script];
    const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"], detached: true });
    const text = { out: "" };
    child.stdout.on("data", (data: Buffer) => (text.out += data.toString()));
    const ended = once(child, "exit").then(([code]) => code as number | null);
    return new GuestCommand(child, ended, folder, text);
  }

  /** Everything that it printed so far, one JSON value a line. */
  lines(): Record<string, unknown>[] {
    const whole = this.text.out.split("\n").slice(0, -1);
    return whole.map((line) => JSON.parse(line) as Record<string, unknown>);
  }

  events(): string[] {
    return this.lines().flatMap(({ event }) => (typeof event === "string" ? [event] : []));
  }

  counters(): Record<string, number> {
    const found = this.lines().find(({ counters }) => counters !== undefined);
    return (found?.counters ?? {}) as Record<string, number>;
  }

  /** Sends a signal to the command and all its children, as a cancelled command gets it. */
  signal(name: NodeJS.Signals): void {
    if (this.process.exitCode === null && this.process.signalCode === null) process.kill(-this.process.pid!, name);
  }

  async close(): Promise<void> {
    this.signal("SIGKILL");
    await this.ended;
    await rm(this.folder, { recursive: true, force: true });
  }
}

/** Stands in for the instance metadata service of the bed's machine `b`; says in which VPC it lies. */
export async function serveMetadata(bed: FaultBed, vpc = shadowVpc): Promise<() => Promise<void>> {
  const namespace = bed.namespace("b");
  await run(["ip", "-n", namespace, "addr", "add", "169.254.169.254/32", "dev", "lo"]);
  const program = `
    require("node:http").createServer((request, response) => {
      const token = request.headers["x-aws-ec2-metadata-token"];
      if (request.method === "PUT" && request.url === "/latest/api/token") return response.end("secret");
      if (token !== "secret") return response.writeHead(401).end();
      if (request.url === "/latest/meta-data/mac") return response.end("06:00:00:00:00:01");
      if (request.url === "/latest/meta-data/network/interfaces/macs/06:00:00:00:00:01/vpc-id") return response.end(${JSON.stringify(vpc)});
      response.writeHead(404).end();
    }).listen(80, "169.254.169.254", () => console.log("ready"));`;
  const argv = [`--net=/run/netns/${namespace}`, process.execPath, "-e", program];
  const child = spawn("nsenter", argv, { stdio: ["ignore", "pipe", "inherit"] });
  await once(child.stdout, "data");
  return async () => {
    const ended = once(child, "exit");
    child.kill("SIGKILL");
    await ended;
  };
}

/** What is left of faults and their commands, by the folders where they keep their state. */
export async function leftovers(bed: FaultBed): Promise<string> {
  const list =
    "ls -d /run/shadownet/faults/* /run/shadownet/documents/* /sys/fs/cgroup/*/shadownet-commands /sys/fs/cgroup/shadownet-commands";
  return run(["sh", "-c", `${list} 2>/dev/null | grep -F -e '${bed.name}' -e shadownet-commands; true`]);
}
