import {
  type FisClient,
  GetExperimentCommand,
  StartExperimentCommand,
  paginateListExperimentResolvedTargets,
} from "@aws-sdk/client-fis";

import { until } from "./waiting";

const previewLimit = 120_000;

/**
 * ARNs of what a template would hit now, found by an experiment whose actions are all skipped. The newest client that
 * can be had does not know the option for that, so it is put into the request that the client has built.
 */
export async function previewTargets(fis: FisClient, experimentTemplateId: string): Promise<string[]> {
  const { experiment } = await fis.send(skipAll(new StartExperimentCommand({ experimentTemplateId })));
  const id = experiment!.id!;
  const ended = await until(previewLimit, `the preview ${id} to end`, async () => {
    const { experiment: current } = await fis.send(new GetExperimentCommand({ id }));
    const status = String(current?.state?.status);
    return ["completed", "failed", "stopped", "cancelled"].includes(status) ? current : undefined;
  });
  if (ended.state?.status !== "completed") throw new Error(`preview ${id}: ${ended.state?.reason ?? "it failed"}`);
  const found: string[] = [];
  for await (const { resolvedTargets = [] } of paginateListExperimentResolvedTargets(
    { client: fis },
    { experimentId: id },
  )) {
    for (const { targetInformation } of resolvedTargets) found.push(...Object.values(targetInformation ?? {}));
  }
  return found;
}

/** The request of a command with `actionsMode: skip-all` in it. */
function skipAll(command: StartExperimentCommand): StartExperimentCommand {
  command.middlewareStack.add(
    (next) => (args) => {
      const request = args.request as { body: string; headers: Record<string, string> };
      const body = JSON.parse(request.body) as Record<string, unknown>;
      request.body = JSON.stringify({ ...body, experimentOptions: { actionsMode: "skip-all" } });
      request.headers["content-length"] = String(Buffer.byteLength(request.body));
      return next(args);
    },
    { step: "build", priority: "low", name: "skipAllActions" },
  );
  return command;
}
