import * as pulumi from "@pulumi/pulumi";

import type { Problem } from "../internal/problems";

/** Throws one error that names every problem, so that the user mends them in one go; does nothing when there is none. */
export function rejectProblems(component: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const count = problems.length === 1 ? "1 problem" : `${problems.length} problems`;
  throw new pulumi.InputPropertiesError({
    message: `${component}: ${count} with its arguments`,
    errors: problems.map(({ path, reason }) => ({ propertyPath: path, reason })),
  });
}

/** The problems with their paths below another one. */
export function under(path: string, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: problem.path === "." ? path : `${path}.${problem.path}` }));
}
