import {
  DescribeNetworkInsightsAccessScopesCommand,
  DescribeNetworkInsightsAccessScopeAnalysesCommand,
  StartNetworkInsightsAccessScopeAnalysisCommand,
} from "@aws-sdk/client-ec2";
import { GetExperimentTemplateCommand } from "@aws-sdk/client-fis";
import { setTimeout as delay } from "node:timers/promises";

import type { AwsClients, AwsDriver } from "../driver";
import { shadowTag } from "../shadow";
import { foreignArns, looseAims } from "./aims";
import { FisExperiments } from "./experiments";
import { previewTargets } from "./preview";
import type { AwsShadowRecord } from "./recordFormat";
import { structureFindings } from "./structure";

/** How one check ended: `unknown` when it could not be carried out. */
export type CheckOutcome = "passed" | "failed" | "unknown";

/** What a check found. */
export interface CheckResult {
  /** Short name, for scripts. */
  check: string;
  /** What it shows on a real account, in a sentence. */
  shows: string;
  outcome: CheckOutcome;
  detail: string;
}

/** What checks are given. */
interface Context {
  record: AwsShadowRecord;
  clients: AwsClients;
  driver: AwsDriver;
  /** Whether the intake may be opened for a minute to see packets arrive. */
  openIntake: boolean;
}

interface Check {
  check: string;
  shows: string;
  run: (context: Context) => Promise<Pick<CheckResult, "outcome" | "detail">>;
}

const passed = (detail: string) => ({ outcome: "passed" as const, detail });
const failed = (detail: string) => ({ outcome: "failed" as const, detail });
const unknown = (detail: string) => ({ outcome: "unknown" as const, detail });

/** Seconds for which the intake is open while packets are waited for; metrics come a minute late. */
const openSeconds = 120;
const analysisLimit = 15 * 60_000;

/** In the order in which they are safe: nothing is opened before the shadow is known to be closed. */
const checks: readonly Check[] = [
  {
    check: "machines",
    shows: "the clones were launched from the images and snapshots that were chosen, and run",
    run: async ({ driver, record }) => {
      const { machines } = await driver.describe();
      const expected = machines.filter(({ name }) => record.shadow.machineIds[name] !== undefined);
      const down = expected.filter(({ running }) => !running).map(({ name }) => name);
      return down.length === 0 ? passed(`all ${expected.length} run`) : failed(`not running: ${down.join(", ")}`);
    },
  },
  {
    check: "structure",
    shows: "AWS itself knows of nothing that leads out of the VPC",
    run: async ({ clients, record }) => {
      const open = (await structureFindings(clients.ec2, record.shadow.vpcId)).filter(({ reached }) => reached);
      if (open.length === 0) return passed("no gateway, peering, attachment, route or endpoint leads out");
      return failed(open.map(({ attempt, detail }) => `${attempt}: ${detail}`).join("; "));
    },
  },
  {
    check: "containment",
    shows: "the Systems Manager reaches the clones without the internet, and from inside nothing answers",
    run: async ({ driver }) => {
      const findings = await driver.probeContainment();
      const open = findings.filter(({ reached }) => reached);
      if (open.length === 0) return passed(`${findings.length} attempts, none got out`);
      return failed(open.map(({ from, attempt, detail }) => `${from}: ${attempt}: ${detail}`).join("; "));
    },
  },
  {
    check: "access-analyzer",
    shows: "the Network Access Analyzer finds no path from the shadow to a gateway",
    run: ({ clients, record }) => analyzeAccess(clients, record.shadow.shadowName),
  },
  {
    check: "gateways",
    shows: "gateways boot without the internet, from the archive in the bucket, and publish metrics",
    run: async ({ driver }) => {
      const { problems } = await driver.mirror();
      return problems.length === 0 ? passed("they publish") : failed(problems.join("; "));
    },
  },
  {
    check: "experiments",
    shows: "FIS accepts the templates and their targets are machines of this shadow alone",
    run: checkTargets,
  },
  {
    check: "mirror",
    shows:
      "copies of packets cross the load balancer although the gateways never send one back, whole, and are replayed",
    run: async ({ driver, openIntake }) => {
      if (!openIntake) return unknown("give --open-intake to let copies in for two minutes");
      await driver.setIntake(true);
      try {
        await delay(openSeconds * 1000);
        const state = await driver.mirror();
        const { onWire, replayed, lostByMirror = 0 } = state;
        if (onWire === 0) return failed("no request arrived; does production have traffic, and do the sessions stand?");
        const text = `${onWire} requests arrived, ${replayed} were replayed, ${lostByMirror} were lost by the mirror`;
        return replayed > 0 ? passed(text) : failed(text);
      } finally {
        await driver.setIntake(false);
      }
    },
  },
  {
    check: "leftovers",
    shows: "no experiment of an earlier run is active",
    run: async ({ driver }) => {
      const left = await driver.leftovers();
      return left.length === 0 ? passed("none") : failed(left.join("; "));
    },
  },
];

/** Names and meanings of the checks, for help and docs. */
export const verifyChecks: readonly Pick<Check, "check" | "shows">[] = checks.map(({ check, shows }) => ({
  check,
  shows,
}));

/**
 * Tries on a real account what tests cannot, one check after the other; what is broken in production or the shadow by it
 * is nothing, as it reads, previews targets and, if allowed, opens the intake for two minutes. A shadow that is not
 * closed ends the series: what would follow might let something out.
 */
export async function verifyShadow(context: Context, onResult: (result: CheckResult) => void): Promise<CheckResult[]> {
  const results: CheckResult[] = [];
  for (const { check, shows, run } of checks) {
    const open = results.some(
      (result) => result.outcome !== "passed" && (result.check === "structure" || result.check === "containment"),
    );
    const skipped = unknown("left out: the shadow is not known to be closed");
    const needsClosed = check === "mirror";
    const found =
      needsClosed && open ? skipped : await run(context).catch((error: unknown) => unknown((error as Error).message));
    const result = { check, shows, ...found };
    results.push(result);
    onResult(result);
  }
  return results;
}

async function analyzeAccess(
  { ec2 }: AwsClients,
  shadowName: string,
): Promise<Pick<CheckResult, "outcome" | "detail">> {
  const Filters = [{ Name: `tag:${shadowTag}`, Values: [shadowName] }];
  const { NetworkInsightsAccessScopes: scopes = [] } = await ec2.send(
    new DescribeNetworkInsightsAccessScopesCommand({ Filters }),
  );
  const id = scopes[0]?.NetworkInsightsAccessScopeId;
  if (id === undefined) return failed("the shadow has no access scope");
  const { NetworkInsightsAccessScopeAnalysis: started } = await ec2.send(
    new StartNetworkInsightsAccessScopeAnalysisCommand({ NetworkInsightsAccessScopeId: id }),
  );
  const analysis = started!.NetworkInsightsAccessScopeAnalysisId!;
  const deadline = Date.now() + analysisLimit;
  while (Date.now() < deadline) {
    const { NetworkInsightsAccessScopeAnalyses: [current] = [] } = await ec2.send(
      new DescribeNetworkInsightsAccessScopeAnalysesCommand({ NetworkInsightsAccessScopeAnalysisIds: [analysis] }),
    );
    if (current?.Status === "failed") return unknown(current.StatusMessage ?? "the analysis failed");
    if (current?.Status === "succeeded") {
      return current.FindingsFound === "false"
        ? passed(`${current.AnalyzedEniCount ?? 0} interfaces analysed, no path out`)
        : failed(`analysis ${analysis} has findings; look at them in the console`);
    }
    await delay(5000);
  }
  return unknown(`analysis ${analysis} took longer than ${analysisLimit / 60_000} minutes`);
}

async function checkTargets({ clients, record }: Context): Promise<Pick<CheckResult, "outcome" | "detail">> {
  const { shadow } = record;
  const templates = await new FisExperiments(clients.fis, shadow.shadowName).templateIds();
  if (templates.length === 0) return unknown("the stack defines no experiment");
  const own = Object.values(shadow.machineIds);
  const isOwn = (instance: string): boolean => own.some((id) => instance.endsWith(`/${id}`));
  const hit = new Set<string>();
  for (const id of templates) {
    const { experimentTemplate } = await clients.fis.send(new GetExperimentTemplateCommand({ id }));
    const loose = looseAims(experimentTemplate?.targets ?? {}, shadow);
    if (loose.length > 0) return failed(`template ${id}: ${loose.join("; ")}`);
    const arns = await previewTargets(clients.fis, id);
    const instances = arns.filter((arn) => arn.includes(":instance/"));
    const foreign = [...instances.filter((arn) => !isOwn(arn)), ...foreignArns(arns, shadow)];
    if (foreign.length > 0)
      return failed(`template ${id} would hit ${foreign.join(", ")}, which the shadow does not have`);
    for (const instance of instances) hit.add(instance);
  }
  return passed(`${templates.length} templates would hit ${hit.size} machines, all of this shadow`);
}
