import { readFileSync } from "node:fs";

import { z } from "zod";

import { ExitCode, type Problem, ShadownetError, refuse } from "./internal/problems";
import { shapeProblems } from "./validation/shape";
import type { Topology } from "./topology";
import { referenceProblems } from "./validation/topologyReferences";
import { topologyShape } from "./validation/topologyShape";

/** Everything that is wrong with a topology: first its form; when that is right, addresses, names and references. */
export function validateTopology(value: unknown): Problem[] {
  const problems = shapeProblems(topologyShape, value);
  return problems.length > 0 ? problems : referenceProblems(value as Topology);
}

/**
 * A topology from an object or from a file's text; `subject` names it in messages.
 * Throws a `ProblemsError` that names every problem with its path.
 */
export function parseTopology(value: unknown, subject = "topology"): Topology {
  const parsed = typeof value === "string" ? parseJson(value, subject) : value;
  refuse(subject, validateTopology(parsed));
  return parsed as Topology;
}

/** Reads a topology from a JSON file; throws a `ProblemsError` that names every problem with its path. */
export function readTopology(path: string): Topology {
  let text: string;
  try {
    text = readFileSync(path, "utf8");
  } catch (error) {
    const reason = (error as NodeJS.ErrnoException).code === "ENOENT" ? "there is no such file" : String(error);
    const cure = "`shadownet capture` makes a topology from a running network";
    throw new ShadownetError("no-such-file", `${path}: ${reason}; ${cure}`, ExitCode.BadInput);
  }
  return parseTopology(text, path);
}

/** JSON Schema of a topology file, for editors and for other tools. */
export function topologyJsonSchema(): Record<string, unknown> {
  return z.toJSONSchema(topologyShape);
}

function parseJson(text: string, subject: string): unknown {
  try {
    return JSON.parse(text);
  } catch (error) {
    refuse(subject, [{ path: ".", reason: `not JSON: ${(error as Error).message}` }]);
    return undefined;
  }
}
