/** One header field of a request, as it was written. */
export interface HeaderField {
  name: string;
  value: string;
}

/** Changes the head of an HTTP/1.x request before it goes to the shadow; never its framing. */
export interface RequestHook {
  rewrite(fields: HeaderField[]): void;
}

const headEnd = Buffer.from("\r\n\r\n");

/** The bytes of a whole request after every hook; the body stays as it is. Bytes without a head are returned unchanged. */
export function rewriteRequest(parts: Buffer[], hooks: readonly RequestHook[]): Buffer[] {
  const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  const end = bytes.indexOf(headEnd);
  if (end < 0) return parts;
  const [requestLine = "", ...lines] = bytes.toString("latin1", 0, end).split("\r\n");
  const fields = lines.map((line) => {
    const colon = line.indexOf(":");
    return { name: line.slice(0, colon), value: line.slice(colon + 1).trim() };
  });
  for (const hook of hooks) hook.rewrite(fields);
  const head = [requestLine, ...fields.map(({ name, value }) => `${name}: ${value}`), "", ""].join("\r\n");
  const body = bytes.subarray(end + headEnd.length);
  return body.length === 0 ? [Buffer.from(head, "latin1")] : [Buffer.from(head, "latin1"), body];
}
