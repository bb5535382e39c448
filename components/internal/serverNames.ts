/** Where a name in a selector is malformed or cannot match, and why; undefined when it is a usable one. */
export function serverNameProblem(selector: {
  serverName?: string;
  application?: string;
  protocol?: string;
}): { field: "serverName" | "application" | "protocol"; reason: string } | undefined {
  const { serverName, application, protocol } = selector;
  if (serverName === undefined) return undefined;
  if (!isServerName(serverName)) {
    const allowed = "a DNS name such as shop.example.com, or *.example.com for every name below it";
    return { field: "serverName", reason: `"${serverName}" is not ${allowed}` };
  }
  if (application !== undefined && application !== "tls") {
    const reason = `"${application}" has no server name; serverName is read from TLS alone: leave application out or make it tls`;
    return { field: "application", reason };
  }
  if (protocol === "udp") {
    const reason = "serverName is read from TLS over TCP; QUIC is not read: leave protocol out or make it tcp";
    return { field: "protocol", reason };
  }
  return undefined;
}

/** Whether a name that a client asked for is meant by a selector's `serverName`. */
export function serverNameTest(selector: string): (name: string) => boolean {
  const wanted = selector.toLowerCase();
  if (!wanted.startsWith("*.")) return (name) => name === wanted;
  const suffix = wanted.slice(1);
  return (name) => name.length > suffix.length && name.endsWith(suffix);
}

/** Labels of letters, digits, hyphens and underscores; an address is no name, and nobody sends a name's last dot. */
function isServerName(text: string): boolean {
  const name = text.startsWith("*.") ? text.slice(2) : text;
  const labels = name.split(".");
  const sound = labels.every((label) => /^[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?$/i.test(label));
  return sound && name.length <= 253 && !/^\d+$/.test(labels.at(-1)!);
}
