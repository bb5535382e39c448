import { inspect } from "node:util";

import * as pulumi from "@pulumi/pulumi";

import { type Problem, ProblemsError } from "./internal/problems";

/** Throws one error that names every problem, so that the user mends them in one go; does nothing when there is none. */
export function rejectProblems(component: string, problems: readonly Problem[]): void {
  if (problems.length === 0) return;
  const refusal = new ProblemsError(`arguments of ${component}`, [...problems]);
  const error = new pulumi.InputPropertiesError({
    message: refusal.message,
    errors: problems.map(({ path, reason }) => ({ propertyPath: path, reason })),
  });
  // The engine shows a program's error as `inspect` does: the problems alone, not the stack and the fields.
  Object.defineProperty(error, inspect.custom, { value: () => inspect(refusal) });
  throw error;
}

/** The problems with their paths below another one. */
export function under(path: string, problems: readonly Problem[]): Problem[] {
  return problems.map((problem) => ({ ...problem, path: problem.path === "." ? path : `${path}.${problem.path}` }));
}
