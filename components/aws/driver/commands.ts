import { GetCommandInvocationCommand, SendCommandCommand, type SSMClient } from "@aws-sdk/client-ssm";

import { until } from "./waiting";

/** How a command ended on one machine. */
export interface CommandResult {
  instanceId: string;
  exitCode: number;
  stdout: string;
  stderr: string;
}

const over = ["Success", "Failed", "Cancelled", "TimedOut"];

/**
 * Runs shell lines on instances through Systems Manager and waits for all of them. An instance whose agent does not
 * answer within the time has exit code -1.
 */
export async function runOnInstances(
  ssm: SSMClient,
  instanceIds: readonly string[],
  lines: readonly string[],
  timeoutSeconds: number,
): Promise<CommandResult[]> {
  if (instanceIds.length === 0) return [];
  const { Command: command } = await ssm.send(
    new SendCommandCommand({
      DocumentName: "AWS-RunShellScript",
      InstanceIds: [...instanceIds],
      Parameters: { commands: [...lines], executionTimeout: [String(timeoutSeconds)] },
      TimeoutSeconds: Math.max(30, timeoutSeconds),
    }),
  );
  const id = command!.CommandId!;
  return Promise.all(instanceIds.map((instanceId) => resultOf(ssm, id, instanceId, timeoutSeconds)));
}

async function resultOf(
  ssm: SSMClient,
  commandId: string,
  instanceId: string,
  timeoutSeconds: number,
): Promise<CommandResult> {
  const look = async (): Promise<CommandResult | undefined> => {
    try {
      const answer = await ssm.send(new GetCommandInvocationCommand({ CommandId: commandId, InstanceId: instanceId }));
      if (!over.includes(String(answer.Status))) return undefined;
      return {
        instanceId,
        exitCode: answer.ResponseCode ?? (answer.Status === "Success" ? 0 : -1),
        stdout: answer.StandardOutputContent ?? "",
        stderr: answer.StandardErrorContent ?? "",
      };
    } catch (error) {
      // For a moment after it was sent a command is not known to its own instance.
      if ((error as Error).name === "InvocationDoesNotExist") return undefined;
      throw error;
    }
  };
  return until((timeoutSeconds + 10) * 1000, `instance ${instanceId} to answer`, look).catch((error: unknown) => ({
    instanceId,
    exitCode: -1,
    stdout: "",
    stderr: (error as Error).message,
  }));
}
