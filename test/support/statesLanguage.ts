import type { State, StateMachineDefinition } from "../../components/aws/experiment/stateMachine";

const needed: Record<State["Type"], (keyof State)[]> = {
  Pass: ["Next"],
  Task: ["Resource", "Next"],
  Wait: ["Seconds", "Next"],
  Choice: ["Choices", "Default"],
  Succeed: [],
  Fail: ["Error", "Cause"],
};

/** Everything in a state machine that the Amazon States Language does not allow, and states that nothing leads to. */
export function statesProblems(text: string): string[] {
  const { StartAt, States, TimeoutSeconds } = JSON.parse(text) as StateMachineDefinition;
  const problems: string[] = [];
  const reached = new Set<string>();
  const visit = (name: string, from: string): void => {
    const state = States[name];
    if (state === undefined) problems.push(`${from} leads to ${name}, which there is not`);
    if (state === undefined || reached.has(name)) return;
    reached.add(name);
    for (const next of waysOut(state)) visit(next, name);
  };
  visit(StartAt, "StartAt");
  for (const [name, state] of Object.entries(States)) {
    if (!reached.has(name)) problems.push(`nothing leads to ${name}`);
    for (const field of needed[state.Type]) if (state[field] === undefined) problems.push(`${name} has no ${field}`);
    if (name.length > 80) problems.push(`${name} is longer than 80 characters`);
    problems.push(...parameterProblems(name, state.Parameters ?? {}));
  }
  if (!Object.values(States).some(({ Type }) => Type === "Succeed")) problems.push("it never succeeds");
  if (!(TimeoutSeconds > 0 && TimeoutSeconds <= 99_999_999)) problems.push(`it may take ${TimeoutSeconds} s`);
  return problems;
}

function waysOut({ Next, Default, Choices = [] }: State): string[] {
  return [Next, Default, ...Choices.map((choice) => choice.Next)].filter((next) => next !== undefined);
}

/** A value that is computed has a key that ends in `.$`, and a path or a function as its text. */
function parameterProblems(name: string, parameters: Record<string, unknown>): string[] {
  return Object.entries(parameters).flatMap(([key, value]) => {
    const computed = typeof value === "string" && /^(\$|States\.)/.test(value);
    return computed === key.endsWith(".$") ? [] : [`${name}: ${key} and its value do not fit`];
  });
}

/** What the services answer while a state machine is walked through. */
export interface StateWorld {
  /** Status of an experiment at each look. */
  status: () => string;
  /** How many alarms are OK at each look. */
  alarmsOk: () => number;
}

/** Walks through a state machine as Step Functions would, without waiting; what was started, and how it ended. */
export function walkStates(
  definition: StateMachineDefinition,
  world: StateWorld,
): { started: string[]; end: string; waited: number } {
  const started: string[] = [];
  let data: Record<string, unknown> = {};
  let waited = 0;
  let name = definition.StartAt;
  for (let step = 0; step < 100_000; step++) {
    const state = definition.States[name]!;
    if (state.Type === "Succeed" || state.Type === "Fail") return { started, end: name, waited };
    if (state.Type === "Wait") waited += state.Seconds!;
    if (state.Type === "Pass")
      data = placed(data, state.ResultPath, state.Result ?? computed(state.Parameters ?? {}, data));
    if (state.Type === "Task") data = placed(data, state.ResultPath, answer(state, world, started));
    name = state.Type === "Choice" ? chosen(state, data) : state.Next!;
  }
  throw new Error("it never ends");
}

function placed(data: Record<string, unknown>, path: string | undefined, value: Record<string, unknown>) {
  return path === undefined ? value : { ...data, [path.slice(2)]: value };
}

function answer(
  { Resource = "", Parameters = {} }: State,
  world: StateWorld,
  started: string[],
): Record<string, unknown> {
  if (Resource.endsWith(":fis:startExperiment")) {
    started.push(String(Parameters.ExperimentTemplateId));
    return { id: `EXP${started.length}` };
  }
  if (Resource.endsWith(":fis:getExperiment")) return { status: world.status() };
  if (Resource.endsWith(":cloudwatch:describeAlarms")) return { ok: world.alarmsOk() };
  throw new Error(`unexpected call of ${Resource}`);
}

function read(path: string, data: Record<string, unknown>): unknown {
  return path
    .slice(2)
    .split(".")
    .reduce<unknown>((value, key) => (value as Record<string, unknown>)[key], data);
}

function computed(parameters: Record<string, unknown>, data: Record<string, unknown>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(parameters).map(([key, text]) => {
      const [, path, added] = /^States\.MathAdd\((\$[\w.]+), (\d+)\)$/.exec(String(text)) ?? [];
      if (path === undefined) throw new Error(`cannot compute ${String(text)}`);
      return [key.replace(/\.\$$/, ""), Number(read(path, data)) + Number(added)];
    }),
  );
}

function chosen({ Choices = [], Default }: State, data: Record<string, unknown>): string {
  const holds = (rule: (typeof Choices)[number]): boolean => {
    if (rule.Or !== undefined) return rule.Or.some(holds);
    const value = read(rule.Variable!, data);
    if (rule.StringEquals !== undefined) return value === rule.StringEquals;
    if (rule.NumericEquals !== undefined) return value === rule.NumericEquals;
    return Number(value) >= rule.NumericGreaterThanEquals!;
  };
  return Choices.find(holds)?.Next ?? Default!;
}
