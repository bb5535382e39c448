import { didYouMean } from "./problems";

/** Applications that the gateway recognises by the first bytes of a flow. */
export const applicationNames: readonly string[] = [
  ...["amqp", "dns", "http1", "http2", "mongodb", "mysql", "postgres", "redis", "ssh", "tls"],
];

const datagramApplicationNames: readonly string[] = ["dns"];

/** What is wrong with the application of a selector, and in which field; undefined when nothing is. */
export function applicationProblem(selector: {
  application?: string;
  protocol?: string;
}): { field: "application" | "protocol"; reason: string } | undefined {
  const { application, protocol } = selector;
  if (application === undefined) return undefined;
  if (!applicationNames.includes(application)) {
    const hint = didYouMean(application, applicationNames);
    const reason = `no signature "${application}"; known: ${applicationNames.join(", ")}${hint}`;
    return { field: "application", reason };
  }
  if (protocol !== "udp" || datagramApplicationNames.includes(application)) return undefined;
  const reason = `"${application}" is looked for in TCP alone, so that this matches nothing; leave protocol out`;
  return { field: "protocol", reason };
}
