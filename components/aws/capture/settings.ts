import { ExitCode, type Problem, ShadownetError } from "../../internal/problems";
import type { AwsAccess, AwsClients } from "./clients";

/** What is wrong with how a capture was asked for. */
export function accessProblems(vpcId: string, { region, endpointUrl }: AwsAccess): Problem[] {
  const problems: Problem[] = [];
  if (!/^vpc-([0-9a-f]{8}|[0-9a-f]{17})$/.test(vpcId)) {
    const allowed = "a VPC id is `vpc-` and 8 or 17 hexadecimal digits, for example vpc-0a1b2c3d4e5f67890";
    problems.push({ path: "vpc", reason: `"${vpcId}" is no VPC id; ${allowed}` });
  }
  if (region !== undefined) problems.push(...regionProblems(region));
  if (endpointUrl !== undefined && !isUrl(endpointUrl)) {
    problems.push({ path: "endpoint-url", reason: `"${endpointUrl}" is no address such as http://127.0.0.1:5000` });
  }
  return problems;
}

/** What is wrong with the form of a region's name. */
function regionProblems(region: string): Problem[] {
  if (/^[a-z]{2,4}(-[a-z]+)+-\d+$/.test(region)) return [];
  const zone = /^(.*-\d+)[a-z]$/.exec(region);
  const cure = zone === null ? "" : `; "${region}" is a zone, its region is ${zone[1]!}`;
  return [{ path: "region", reason: `"${region}" is no region such as eu-central-1${cure}` }];
}

function isUrl(text: string): boolean {
  return URL.canParse(text) && /^https?:$/.test(new URL(text).protocol);
}

/** Refuses where neither an argument nor the environment nor the profile says which region is meant. */
export async function requireRegion(clients: AwsClients): Promise<void> {
  let region: string;
  try {
    region = await clients.region();
  } catch (error) {
    const cure = "give --region, set AWS_REGION, or put `region` into the profile";
    throw new ShadownetError("no-region", `no region is named; ${cure}`, ExitCode.BadInput, { cause: error });
  }
  const [problem] = regionProblems(region);
  if (problem !== undefined) throw new ShadownetError("bad-region", `region: ${problem.reason}`, ExitCode.BadInput);
}
