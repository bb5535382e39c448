import type { SeriesQuery } from "../monitor/queries";

/** What FIS allows; none of it can be raised. Durations of its own actions are at least a minute. */
export const fisLimits = {
  actionsPerTemplate: 20,
  parallelActions: 10,
  activeExperiments: 5,
  stopConditions: 5,
  arnsPerTarget: 5,
  parameterCharacters: 1024,
  alarmsPerAssertion: 5,
  shortestSeconds: 60,
  longestSeconds: 43_200,
} as const;

/**
 * What only AWS knows, by what it is of; it is put in when a template is rendered. A `role` is named below the shadow's
 * own path, so that no other one can be meant; `machineRole` is that of the machines and needs no name.
 */
export interface ResourceReference {
  kind: "subnet" | "endpoint" | "machineRole" | "role" | "autoScalingGroup";
  name: string;
}

/** A set of resources that actions of one template hit. */
export interface PlannedTarget {
  name: string;
  resourceType: string;
  /** Values of tags beside that of the shadow. */
  tags: Record<string, string>;
  /** Filters beside that of the shadow's VPC; only for instances. */
  filters: { path: string; values: string[] }[];
  /** Resources by id, where tags cannot choose them. */
  references: ResourceReference[];
}

/** One action of a FIS template. */
export interface PlannedAction {
  name: string;
  actionId: string;
  description: string;
  parameters: Record<string, string>;
  /** Under which key FIS takes the target, and the target's name. */
  target?: { key: string; name: string };
  startAfter: string[];
  /** Key of the SSM document that it sends. */
  document?: string;
  /** Keys of the alarms that it looks at. */
  alarms?: string[];
  /** How long it takes at most. */
  seconds: number;
}

/** One FIS template; an experiment that is too large for one has several, run one after the other. */
export interface PlannedTemplate {
  /** `1`, `2` …, in the order in which they run. */
  key: string;
  actions: PlannedAction[];
  targets: PlannedTarget[];
}

/** An SSM document that carries one action out inside the machines. */
export interface PlannedDocument {
  /** Name of the action, with the number of interfaces behind it where one document cannot serve all machines. */
  key: string;
  content: CommandDocument;
}

/** A Command document of Systems Manager, version 2.2. */
export interface CommandDocument {
  schemaVersion: "2.2";
  description: string;
  parameters: Record<string, DocumentParameter>;
  mainSteps: DocumentStep[];
}

/** A parameter of a document. */
export interface DocumentParameter {
  type: "String";
  description: string;
  allowedPattern: string;
  default?: string;
}

/** A step of a document. */
export interface DocumentStep {
  action: "aws:runShellScript";
  name: string;
  precondition: { StringEquals: string[] };
  inputs: { timeoutSeconds: string; runCommand: string[] };
}

/** An alarm that an experiment stops by or looks at. */
export interface PlannedAlarm {
  key: string;
  description: string;
  queries: SeriesQuery[];
  comparison: "GreaterThanThreshold" | "LessThanThreshold";
  threshold: number;
  evaluationPeriods: number;
}

/** A template that carries out one fault once, for a runner that keeps the times of the experiment itself. */
export interface SingleFault {
  /** Name of the action. */
  action: string;
  template: PlannedTemplate;
  /** Documents that the whole experiment does not have: those of pulses, which it carries out in one go. */
  documents: PlannedDocument[];
}

/** Everything that AWS needs for an experiment; only data. */
export interface ExperimentPlan {
  templates: PlannedTemplate[];
  documents: PlannedDocument[];
  alarms: PlannedAlarm[];
  /** Keys of the alarms that end a run. */
  stop: string[];
  /** Keys of the alarms that must be OK before and after. */
  gates: string[];
  /** The faults one by one, for a runner that starts and ends each itself. */
  single: SingleFault[];
  /** Longest time of one run, in seconds. */
  seconds: number;
  /** What is done otherwise than in the lab, one sentence each. */
  notes: string[];
}
