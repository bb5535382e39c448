import type { Rule } from "../rule";

export const rule: Rule = {
  description: "Images are taken of production's instances without stopping them.",
  side: "both",
  types: ["aws:ec2/amiFromInstance:AmiFromInstance"],
  checks: [
    ({ snapshotWithoutReboot }) =>
      snapshotWithoutReboot === true
        ? []
        : [
            {
              property: "snapshotWithoutReboot",
              value: snapshotWithoutReboot,
              reason: "the instance, production's, would be stopped and started again",
              cure: "set it to true, or use the newest snapshot",
            },
          ],
  ],
};
