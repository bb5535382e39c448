import { once } from "node:events";
import { type IncomingMessage, type Server, type ServerResponse, createServer } from "node:http";
import type { AddressInfo } from "node:net";

/** A small HTTP stand-in for AWS's API: it answers with what the tests give it, in pages, and writes down what it was asked. */
export interface AwsStandIn {
  url: string;
  /** How often each call was made, as policies name it, for example `ec2:DescribeVpcs`. */
  calls: Map<string, number>;
  /** How many calls were being answered at once, at most. */
  mostAtOnce: number;
  stop(): Promise<void>;
}

/** What a stand-in answers with. */
export interface AwsStandInAnswers {
  /** Items of EC2's lists as XML, by call: the name of the list's element and its items. Defaults to empty lists. */
  ec2?: Record<string, { list: string; items: string[] } | undefined>;
  /** Whole answers of other services, by call. Defaults to empty lists. */
  others?: Record<string, string | undefined>;
  /** Calls that are refused. Defaults to none. */
  refused?: string[];
  /** Error that refused calls are answered with. Defaults to `UnauthorizedOperation`. */
  refusal?: string;
  /** How often calls are answered with a request to slow down before they are answered. Defaults to never. */
  throttled?: Record<string, number | undefined>;
  /** Milliseconds that an answer takes. Defaults to 0. */
  delay?: number;
}

/** Most items in a page when the caller does not say, as in AWS. */
const largestPage = 1000;

/** Starts a stand-in on a free port of the loopback interface. */
export async function startStandIn(answers: AwsStandInAnswers): Promise<AwsStandIn> {
  const calls = new Map<string, number>();
  const standIn = { url: "", calls, mostAtOnce: 0, stop: () => Promise.resolve() };
  let open = 0;
  const server: Server = createServer((request, response) => {
    open++;
    standIn.mostAtOnce = Math.max(standIn.mostAtOnce, open);
    void answer(request, response, answers, calls).finally(() => open--);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  standIn.url = `http://127.0.0.1:${(server.address() as AddressInfo).port}`;
  standIn.stop = async () => {
    server.closeAllConnections();
    server.close();
    await once(server, "close");
  };
  return standIn;
}

async function answer(
  request: IncomingMessage,
  response: ServerResponse,
  answers: AwsStandInAnswers,
  calls: Map<string, number>,
): Promise<void> {
  let body = "";
  for await (const chunk of request) body += String(chunk);
  const service = /Credential=[^/]+\/\d+\/[^/]+\/([^/]+)\//.exec(request.headers.authorization ?? "")?.[1] ?? "none";
  const parameters = new URLSearchParams(body);
  const name = parameters.get("Action") ?? restAction(request.url ?? "");
  const action = `${service}:${name}`;
  const count = (calls.get(action) ?? 0) + 1;
  calls.set(action, count);
  if (answers.delay !== undefined) await new Promise((resolve) => setTimeout(resolve, answers.delay));
  const send = (status: number, text: string): void => {
    response.writeHead(status, { "content-type": "text/xml" }).end(text);
  };
  if (count <= (answers.throttled?.[action] ?? 0)) send(503, failure(service, "RequestLimitExceeded"));
  else if (answers.refused?.includes(action) === true)
    send(403, failure(service, answers.refusal ?? "UnauthorizedOperation"));
  else send(200, service === "ec2" ? ec2Page(name, parameters, answers) : otherAnswer(action, name, answers));
}

function restAction(url: string): string {
  return url.includes("hostedzonesbyvpc") ? "ListHostedZonesByVPC" : "ListResourceRecordSets";
}

function failure(service: string, code: string): string {
  const error = `<Error><Type>Sender</Type><Code>${code}</Code><Message>You are not authorized to perform this operation.</Message></Error>`;
  return service === "ec2"
    ? `<Response><Errors>${error}</Errors><RequestID>1</RequestID></Response>`
    : `<ErrorResponse>${error}<RequestId>1</RequestId></ErrorResponse>`;
}

/** One page of a list: those of the asked ids, from the token on, as many as were asked for. */
function ec2Page(name: string, parameters: URLSearchParams, { ec2 = {} }: AwsStandInAnswers): string {
  const { list, items } = ec2[name] ?? { list: "none", items: [] };
  const chosen = ofBatch(parameters, items);
  const from = Number(parameters.get("NextToken") ?? 0);
  const to = from + Number(parameters.get("MaxResults") ?? largestPage);
  const next = to < chosen.length ? `<nextToken>${to}</nextToken>` : "";
  const page = chosen.slice(from, to).join("");
  return `<${name}Response xmlns="http://ec2.amazonaws.com/doc/2016-11-15/"><requestId>1</requestId><${list}>${page}</${list}>${next}</${name}Response>`;
}

/** Elements that hold the ids which calls by batches ask for, by the name of their filter. */
const batchElements: Record<string, string> = {
  "volume-id": "volumeId",
  "image-id": "imageId",
  "source-instance-id": "sourceInstanceId",
};

/** The items that the filter by ids chooses, or all when there is no such filter. */
function ofBatch(parameters: URLSearchParams, items: string[]): string[] {
  for (let at = 1; parameters.has(`Filter.${at}.Name`); at++) {
    const element = batchElements[parameters.get(`Filter.${at}.Name`)!];
    if (element === undefined) continue;
    const values = [...parameters].filter(([key]) => key.startsWith(`Filter.${at}.Value.`));
    const wanted = new Set(values.map(([, value]) => value));
    const id = new RegExp(`<${element}>([^<]*)<`);
    return items.filter((item) => wanted.has(id.exec(item)?.[1] ?? ""));
  }
  return items;
}

function otherAnswer(action: string, name: string, { others = {} }: AwsStandInAnswers): string {
  const given = others[action];
  if (given !== undefined) return given;
  if (action.startsWith("route53:"))
    return `<${name}Response><HostedZoneSummaries/><MaxItems>100</MaxItems></${name}Response>`;
  return `<${name}Response><${name}Result/></${name}Response>`;
}
