import type { Scope } from "./nft";
import type { Way } from "./match";
import type { Capabilities, EffectCounter, Fault, PlanCommand, ResolvedTarget } from "./plan";
import type { Problem } from "../../internal/problems";

/** What the compilers of the single kinds work with. */
export interface CompileContext {
  fault: Fault;
  /** The fault with the values that hold on one way: what every compiler of a kind on packets asks. */
  on: (way: Way) => Fault;
  target: ResolvedTarget;
  capabilities: Capabilities;
  ways: Way[];
  scope: Scope;
  /** Seed of the random choices; from the fault's id when none was given. */
  seed: number;
  /** Takes note of something that does not exist here. */
  problem: (problem: Problem) => void;
}

/** The part of a plan that depends on the kind. */
export interface CompiledKind {
  mechanism: string;
  selfHealing: boolean;
  apply: PlanCommand[];
  verify: PlanCommand[];
  undo: PlanCommand[];
  undone: PlanCommand[];
  heartbeat: PlanCommand[];
  effect: EffectCounter[];
  notes: string[];
}
