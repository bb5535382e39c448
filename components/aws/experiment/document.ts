import type { CommandDocument } from "./model";

/** What {@link commandDocument} is made of. */
export interface DocumentSettings {
  description: string;
  /** Name of the step: letters, digits and underscores. */
  step: string;
  /** The shell text that runs as root. */
  text: string;
  timeoutSeconds: number;
}

/** Longest content that Systems Manager takes. */
export const longestDocument = 65_536;

/** A Command document that runs a shell text on Linux machines; the VPC is its only parameter. */
export function commandDocument({ description, step, text, timeoutSeconds }: DocumentSettings): CommandDocument {
  return {
    schemaVersion: "2.2",
    description,
    parameters: {
      VpcId: {
        type: "String",
        description: "The shadow's VPC; on a machine that lies in another one the command does nothing.",
        allowedPattern: "^vpc-[0-9a-f]{8,17}$",
      },
    },
    mainSteps: [
      {
        action: "aws:runShellScript",
        name: step.replaceAll(/\W/g, "_"),
        precondition: { StringEquals: ["platformType", "Linux"] },
        inputs: { timeoutSeconds: `${timeoutSeconds}`, runCommand: text.split("\n") },
      },
    ],
  };
}
