import { join } from "node:path";

import { type EngineProject, type EngineProjectArgs, makeEngineProject, repository } from "./engine";

/** Folder of a pack of policies, compiled. */
export function policyPack(name: "isolation" | "faults"): string {
  return join(repository, "dist", "policies", name);
}

/**
 * A temporary project on the real engine whose `aws` provider is the stand-in beside this file: no cloud is called and
 * nothing is validated. `require("@pulumi/aws/…")` works in the program.
 */
export function makeAwsProject(args: EngineProjectArgs): Promise<EngineProject> {
  return makeEngineProject({
    ...args,
    providers: [{ name: "aws", path: join(repository, "test", "support", "standIn") }],
    environment: { SHADOWNET_TEST_NODE: process.execPath, ...args.environment },
  });
}
