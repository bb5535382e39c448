/** A state of the Amazon States Language, as far as it is used here. */
export interface State {
  Type: "Pass" | "Task" | "Wait" | "Choice" | "Succeed" | "Fail";
  Comment?: string;
  Next?: string;
  Resource?: string;
  Parameters?: Record<string, unknown>;
  ResultSelector?: Record<string, string>;
  ResultPath?: string;
  Result?: Record<string, unknown>;
  Retry?: RetryRule[];
  Seconds?: number;
  Choices?: ChoiceRule[];
  Default?: string;
  Error?: string;
  Cause?: string;
}

/** When a task is tried again. */
interface RetryRule {
  ErrorEquals: string[];
  IntervalSeconds: number;
  MaxAttempts: number;
  BackoffRate: number;
}

/** One way out of a choice. */
interface ChoiceRule {
  Variable?: string;
  StringEquals?: string;
  NumericEquals?: number;
  NumericGreaterThanEquals?: number;
  And?: ChoiceRule[];
  Or?: ChoiceRule[];
  Next?: string;
}

/** A state machine of Step Functions. */
export interface StateMachineDefinition {
  Comment: string;
  StartAt: string;
  TimeoutSeconds: number;
  States: Record<string, State>;
}

/** What {@link repeaterDefinition} is made of. */
export interface RepeaterSettings {
  partition: string;
  /** Templates in the order in which they run, with the longest time of each. */
  templates: { id: string; seconds: number }[];
  repetitions: number;
  /** Names of the alarms that must be OK before the next run. */
  gates: string[];
  /** Time for the alarms to become OK again. */
  recoverySeconds: number;
}

/** Pause between two looks at what goes on. */
const pauseSeconds = 30;
/** Looks at the alarms after a run before it counts as not recovered. */
const mostLooks = 40;
/** Tries to begin while other experiments of the account use up what FIS allows at once. */
const mostStarts = 20;

/**
 * Runs the templates one after the other, all of them exactly as often as asked, each time only after every alarm is OK
 * again; ends as failed with the first run that did not complete or did not recover.
 */
export function repeaterDefinition(settings: RepeaterSettings): StateMachineDefinition {
  const { partition, templates, repetitions, gates, recoverySeconds } = settings;
  const entry = (index: number): string => (index < templates.length ? `Start${index + 1}` : "Recovery");
  const run = templates.map((template, index) => runStates(partition, template, `${index + 1}`, entry(index + 1)));
  const longest = templates.reduce((sum, { seconds }) => sum + seconds + mostStarts * 60, 0);
  const perRound = longest + recoverySeconds + mostLooks * pauseSeconds + 600;
  return {
    Comment: `Runs an experiment ${repetitions} time(s), each after the alarms are OK again`,
    StartAt: "Begin",
    TimeoutSeconds: Math.min(99_999_999, Math.ceil(perRound * repetitions)),
    States: {
      Begin: { Type: "Pass", Result: { round: 0 }, Next: entry(0) },
      ...Object.fromEntries(run.flatMap((states) => Object.entries(states))),
      ...recovery(partition, gates, recoverySeconds),
      Count: { Type: "Pass", Parameters: { "round.$": "States.MathAdd($.round, 1)" }, Next: "Enough" },
      Enough: {
        Type: "Choice",
        Choices: [{ Variable: "$.round", NumericGreaterThanEquals: repetitions, Next: "Done" }],
        Default: entry(0),
      },
      Done: { Type: "Succeed" },
      NotCompleted: { Type: "Fail", Error: "NotCompleted", Cause: "an experiment failed or was stopped" },
    },
  };
}

function task(partition: string, call: string): Pick<State, "Type" | "Resource" | "Retry"> {
  return {
    Type: "Task",
    Resource: `arn:${partition}:states:::aws-sdk:${call}`,
    Retry: [{ ErrorEquals: ["States.TaskFailed"], IntervalSeconds: 5, MaxAttempts: 5, BackoffRate: 2 }],
  };
}

function runStates(
  partition: string,
  { id, seconds }: { id: string; seconds: number },
  key: string,
  next: string,
): Record<string, State> {
  const busy = ["Fis.ServiceQuotaExceededException", "Fis.ConflictException"];
  const start = task(partition, "fis:startExperiment");
  return {
    [`Start${key}`]: {
      ...start,
      Parameters: { ExperimentTemplateId: id, "ClientToken.$": "States.UUID()" },
      ResultSelector: { "id.$": "$.Experiment.Id" },
      ResultPath: "$.run",
      Retry: [{ ErrorEquals: busy, IntervalSeconds: 60, MaxAttempts: mostStarts, BackoffRate: 1 }],
      Next: `Wait${key}`,
    },
    [`Wait${key}`]: { Type: "Wait", Seconds: Math.max(pauseSeconds, Math.ceil(seconds)), Next: `Look${key}` },
    [`Look${key}`]: {
      ...task(partition, "fis:getExperiment"),
      Parameters: { "Id.$": "$.run.id" },
      ResultSelector: { "status.$": "$.Experiment.State.Status" },
      ResultPath: "$.look",
      Next: `Judge${key}`,
    },
    [`Judge${key}`]: {
      Type: "Choice",
      Choices: [
        { Variable: "$.look.status", StringEquals: "completed", Next: next },
        {
          Or: ["failed", "stopped", "cancelled"].map((status) => ({ Variable: "$.look.status", StringEquals: status })),
          Next: "NotCompleted",
        },
      ],
      Default: `Pause${key}`,
    },
    [`Pause${key}`]: { Type: "Wait", Seconds: pauseSeconds, Next: `Look${key}` },
  };
}

/** Alarms without data count as not recovered: nobody knows how the shadow is. */
function recovery(partition: string, gates: readonly string[], seconds: number): Record<string, State> {
  const wait: State = { Type: "Wait", Seconds: Math.max(1, Math.ceil(seconds)), Next: "Count" };
  if (gates.length === 0) return { Recovery: wait };
  return {
    Recovery: { ...wait, Next: "Looks" },
    Looks: { Type: "Pass", Result: { count: 0 }, ResultPath: "$.looks", Next: "Alarms" },
    Alarms: {
      ...task(partition, "cloudwatch:describeAlarms"),
      Parameters: { AlarmNames: [...gates], AlarmTypes: ["MetricAlarm"] },
      ResultSelector: { "ok.$": "States.ArrayLength($.MetricAlarms[?(@.StateValue == 'OK')])" },
      ResultPath: "$.alarms",
      Next: "Recovered",
    },
    Recovered: {
      Type: "Choice",
      Choices: [
        { Variable: "$.alarms.ok", NumericEquals: gates.length, Next: "Count" },
        { Variable: "$.looks.count", NumericGreaterThanEquals: mostLooks, Next: "NotRecovered" },
      ],
      Default: "Patience",
    },
    Patience: { Type: "Wait", Seconds: pauseSeconds, Next: "LookAgain" },
    LookAgain: {
      Type: "Pass",
      Parameters: { "count.$": "States.MathAdd($.looks.count, 1)" },
      ResultPath: "$.looks",
      Next: "Alarms",
    },
    NotRecovered: { Type: "Fail", Error: "NotRecovered", Cause: "the alarms did not become OK after a run" },
  };
}
