import { type ArnPlace, type IamDocument, arnOf, iamDocument, serviceTrust } from "./document";

/** Lets the state machine that repeats an experiment take its role. */
export function repeaterTrust(place: ArnPlace): IamDocument {
  return serviceTrust(place, "states", arnOf(place, "states", "stateMachine:*"));
}

/** What the state machine may do: start the experiment's templates, look at the runs and at the alarms. */
export function repeaterPermissions(place: ArnPlace, templateIds: readonly string[]): IamDocument {
  return iamDocument([
    startExperiments(place, templateIds),
    {
      Sid: "FollowExperiments",
      Effect: "Allow",
      Action: ["fis:GetExperiment"],
      Resource: [arnOf(place, "fis", "experiment/*")],
    },
    {
      Sid: "LookAtAlarms",
      Effect: "Allow",
      Action: ["cloudwatch:DescribeAlarms"],
      Resource: [arnOf(place, "cloudwatch", "alarm:*")],
    },
  ]);
}

/** Lets EventBridge Scheduler take the role of an experiment's schedule. */
export function schedulerTrust(place: ArnPlace): IamDocument {
  return serviceTrust(place, "scheduler", arnOf(place, "scheduler", "schedule*"));
}

/** What a schedule may do: start this one experiment, or the state machine that repeats it. */
export function schedulerPermissions(
  place: ArnPlace,
  { templateIds, stateMachineArn }: { templateIds: readonly string[]; stateMachineArn?: string },
): IamDocument {
  if (stateMachineArn === undefined) return iamDocument([startExperiments(place, templateIds)]);
  return iamDocument([
    { Sid: "StartTheRepetition", Effect: "Allow", Action: ["states:StartExecution"], Resource: [stateMachineArn] },
  ]);
}

/** Starting needs the template, and the experiment that comes of it, whose id nobody knows yet. */
function startExperiments(place: ArnPlace, templateIds: readonly string[]) {
  return {
    Sid: "StartTheExperiment",
    Effect: "Allow" as const,
    Action: ["fis:StartExperiment"],
    Resource: [
      ...templateIds.map((id) => arnOf(place, "fis", `experiment-template/${id}`)),
      arnOf(place, "fis", "experiment/*"),
    ],
  };
}
