import type { Exchange } from "../../compare/exchangeLog";

/** One header field of a request, as it was written. */
export interface HeaderField {
  name: string;
  value: string;
}

/** Sees the responses of both sides, so that a hook can learn from them. */
export interface ResponseObserver {
  /** The head of a final response, without its empty line. */
  head(exchange: Exchange, which: "live" | "shadow", text: string): void;
  /** The whole content of a response that is JSON by its type. */
  content(exchange: Exchange, which: "live" | "shadow", body: Buffer): void;
}

/** Changes the head of an HTTP/1.x request before it goes to the shadow; never its framing. */
export interface RequestHook {
  rewrite(fields: HeaderField[]): void;
  /** Exchanges that the shadow has to answer before this request can be rewritten. */
  waitsFor?(fields: readonly HeaderField[]): Exchange[];
}

const headEnd = Buffer.from("\r\n\r\n");

/** The header fields of a head, which begins with its first line and lacks its empty one. */
export function fieldsOf(head: string): HeaderField[] {
  const [, ...lines] = head.split("\r\n");
  return lines.map((line) => {
    const colon = line.indexOf(":");
    return { name: line.slice(0, colon), value: line.slice(colon + 1).trim() };
  });
}

/** What the shadow has to answer before a whole request can be rewritten. */
export function awaitedBy(parts: readonly Buffer[], hooks: readonly RequestHook[]): Exchange[] {
  const asking = hooks.filter((hook) => hook.waitsFor !== undefined);
  if (asking.length === 0) return [];
  const bytes = Buffer.concat(parts);
  const fields = fieldsOf(bytes.toString("latin1", 0, Math.max(0, bytes.indexOf(headEnd))));
  return asking.flatMap((hook) => hook.waitsFor!(fields));
}

/** The bytes of a whole request after every hook; the body stays as it is. Bytes without a head are returned unchanged. */
export function rewriteRequest(parts: readonly Buffer[], hooks: readonly RequestHook[]): readonly Buffer[] {
  const bytes = parts.length === 1 ? parts[0]! : Buffer.concat(parts);
  const end = bytes.indexOf(headEnd);
  if (end < 0) return parts;
  const text = bytes.toString("latin1", 0, end);
  const [requestLine = ""] = text.split("\r\n", 1);
  const fields = fieldsOf(text);
  for (const hook of hooks) hook.rewrite(fields);
  const head = [requestLine, ...fields.map(({ name, value }) => `${name}: ${value}`), "", ""].join("\r\n");
  const body = bytes.subarray(end + headEnd.length);
  return body.length === 0 ? [Buffer.from(head, "latin1")] : [Buffer.from(head, "latin1"), body];
}
