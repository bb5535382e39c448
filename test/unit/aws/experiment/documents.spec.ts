import assert from "node:assert/strict";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

import Ajv from "ajv";

import { awsExperiment } from "../../../../components/aws/experiment/checked";
import type { CommandDocument } from "../../../../components/aws/experiment/model";
import type { ExperimentAction } from "../../../../components/experiment";
import { tryRun } from "../../../../components/internal/exec";
import { smallAws } from "../../../support/awsTopologies";
import { commandDocumentSchema } from "../../../support/commandDocumentSchema";

const machine = { target: { machine: "web-*" }, durationSeconds: 120 };
const actions: Record<string, ExperimentAction> = {
  slow: { fault: "latency", delayMilliseconds: 100, jitterMilliseconds: 10, ...machine },
  loss: { fault: "packetLoss", percent: 7, ...machine },
  bursts: { fault: "packetLoss", burstP: 0.01, burstR: 0.2, ...machine },
  apart: { fault: "latency", egress: { delayMilliseconds: 10 }, ingress: { delayMilliseconds: 40 }, ...machine },
  probed: { fault: "packetLoss", percent: 7, probePackets: true, probeAddresses: ["10.20.11.11"], ...machine },
  hole: { fault: "blackhole", mode: "reset", ...machine },
  flow: {
    fault: "blackhole",
    target: { machine: "web-*", flow: { protocol: "tcp", destinationPorts: "5432" } },
    durationSeconds: 120,
  },
  down: { fault: "linkDown", ...machine },
  broken: { fault: "payloadCorruption", percent: 3, ...machine },
  twice: { fault: "duplicate", percent: 3, ...machine },
  order: { fault: "reorder", percent: 3, ...machine },
  narrow: { fault: "bandwidth", bitsPerSecond: 1e6, ...machine },
  cpu: { fault: "cpuExhaustion", sharePercent: 70, ...machine },
  memory: { fault: "memoryExhaustion", sharePercent: 70, ...machine },
  pressure: { fault: "memoryExhaustion", sharePercent: 70, memoryMode: "pressure", ...machine },
  disk: { fault: "diskExhaustion", sharePercent: 70, ...machine },
  io: { fault: "ioExhaustion", sharePercent: 70, ...machine },
  kill: { fault: "processKill", processPattern: "nginx*", intervalSeconds: 5, ...machine },
  names: { fault: "dnsFailure", names: ["db.internal"], answer: "servfail", ...machine },
  pulses: {
    fault: "blackhole",
    target: { machine: "web-*" },
    pulse: { activeSeconds: 5, dormantSeconds: 7, repeat: 8, randomise: true },
  },
  step: { command: ["systemctl", "restart", "it's; rm -rf /"], target: { machine: "app-1" } },
};

function documentOf(name: string): CommandDocument {
  const definition = { actions: { [name]: actions[name]! }, blastRadius: { percent: 100 } };
  const { plan, problems } = awsExperiment("drill", definition, { topology: smallAws });
  assert.deepEqual(problems, []);
  assert.equal(plan.documents.length, 1);
  return plan.documents[0]!.content;
}

const textOf = (document: CommandDocument): string => document.mainSteps[0]!.inputs.runCommand.join("\n");

describe("SSM documents of experiments", function () {
  this.timeout(60_000);
  let folder: string;
  before(() => {
    folder = mkdtempSync(join(tmpdir(), "shadownet-documents-"));
  });
  after(() => rmSync(folder, { recursive: true, force: true }));
  const isDocument = new Ajv({ strict: true, allErrors: true, formats: { regex: isRegex } }).compile(
    commandDocumentSchema,
  );

  for (const name of Object.keys(actions)) {
    it(`${name}: a valid Command document whose shell text shellcheck accepts`, async () => {
      const document = documentOf(name);
      assert.ok(isDocument(document), JSON.stringify(isDocument.errors));
      const size = Buffer.byteLength(JSON.stringify(document));
      assert.ok(size < 65_536, `${size} bytes`);
      const file = join(folder, `${name}.sh`);
      writeFileSync(file, `#!/bin/sh\n${textOf(document).replaceAll("{{ VpcId }}", "vpc-01234567")}`);
      // The commands are told their own name by variables, and what is quoted is meant as it stands.
      const { code, stdout } = await tryRun(["shellcheck", "-s", "sh", "-S", "warning", file]);
      assert.equal(code, 0, stdout);
    });
  }

  it("have one parameter, put in once, which nothing but the id of a VPC fits", () => {
    for (const name of Object.keys(actions)) {
      const document = documentOf(name);
      assert.deepEqual(Object.keys(document.parameters), ["VpcId"]);
      assert.deepEqual(textOf(document).match(/\{\{[^}]*\}\}/g), ["{{ VpcId }}"]);
    }
    const { allowedPattern } = documentOf("loss").parameters.VpcId!;
    assert.ok(new RegExp(allowedPattern).test("vpc-0123456789abcdef0"));
    for (const wrong of ["vpc-1'; reboot; '", "$(reboot)", "vpc-0123456789abcdef0\nreboot", ""]) {
      assert.ok(!new RegExp(allowedPattern).test(wrong), wrong);
    }
  });

  it("end by themselves even when nobody listens: the agent's own limit lies behind the fault's", () => {
    assert.equal(documentOf("loss").mainSteps[0]!.inputs.timeoutSeconds, "240");
    assert.match(textOf(documentOf("loss")), /^DURATION=12000 /m);
    assert.match(textOf(documentOf("loss")), /^WINDOW=600 /m);
  });

  it("keep what fits into a FIS parameter out of it: the script is in the document", () => {
    const parameters = JSON.stringify({ VpcId: ["vpc-0123456789abcdef0"] });
    assert.ok(parameters.length < 1024);
  });

  it("bring the commands for both versions of control groups, and a timer in a slice of its own", () => {
    const text = textOf(documentOf("cpu"));
    assert.match(text, /\/sys\/fs\/cgroup\/system\.slice\/cpu\.max/);
    assert.match(text, /\/sys\/fs\/cgroup\/cpu\/system\.slice\/cpu\.cfs_quota_us/);
    assert.equal(text.match(/^TIMER_SLICE=shadownet\.slice /gm)?.length, 2);
    assert.ok(!textOf(documentOf("loss")).includes("system.slice"));
  });

  it("look devices up by the addresses that the target's machines have", () => {
    assert.match(textOf(documentOf("loss")), /^DEVICE0=\$\(device_of '10\.20\.10\.11 10\.20\.11\.11'\)$/m);
  });

  it("run a step's words as they were given", () => {
    assert.match(textOf(documentOf("step")), /^exec systemctl restart 'it'\\''s; rm -rf \/'$/m);
  });
});

function isRegex(text: string): boolean {
  try {
    new RegExp(text);
    return true;
  } catch {
    return false;
  }
}
