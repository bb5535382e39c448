import type { Exchange } from "../../compare/exchangeLog";
import type { GatewayStats } from "../../stats";
import { fieldsOf, type HeaderField, type RequestHook, type ResponseObserver } from "./hook";

/** What one exchange issued: live's tokens are known first, the shadow's when it has answered. */
interface Issue {
  /** Until the shadow has answered it: an exchange holds much more than its tokens. */
  exchange: Exchange | undefined;
  /** Where in the response each of the shadow's tokens stood. */
  shadow: Map<string, string>;
}

const rememberedTokens = 100_000;
const shortestToken = 8;
/** What a cookie's value may consist of (RFC 6265); some issue tokens such as `12|abc`. */
const token = /^[!#-+\--:<-[\]-~]+$/;
const tokenField = /^(?:authorization|x-[a-z0-9-]*token)$/;

/**
 * Gives the shadow its own tokens. What live issues, in a cookie, in a header field such as `X-Auth-Token` or in a field of
 * JSON, is remembered with its place; a request that carries it waits until the shadow has answered the exchange that
 * issued it, and then carries what stood at the same place of the shadow's answer.
 */
export class TokenSubstitution implements RequestHook, ResponseObserver {
  private readonly issued = new Map<string, { issue: Issue; place: string }>();
  private readonly issues = new WeakMap<Exchange, Issue>();

  constructor(private readonly counts: GatewayStats["replay"]["tokens"]) {}

  head(exchange: Exchange, which: "live" | "shadow", text: string): void {
    for (const { name, value } of fieldsOf(text)) {
      const key = name.toLowerCase();
      if (key === "set-cookie") {
        const [pair = ""] = value.split(";");
        const at = pair.indexOf("=");
        if (at > 0) this.note(exchange, which, `cookie ${pair.slice(0, at).trim()}`, cookieValue(pair));
      } else if (tokenField.test(key)) this.note(exchange, which, `field ${key}`, credentials(value));
    }
  }

  content(exchange: Exchange, which: "live" | "shadow", body: Buffer): void {
    try {
      this.search(exchange, which, JSON.parse(body.toString("utf8")), "json", 0);
    } catch {
      // Content that says it is JSON and is not issues no token.
    }
  }

  waitsFor(fields: readonly HeaderField[]): Exchange[] {
    const issuers = new Set<Exchange>();
    for (const value of carried(fields)) {
      const exchange = this.issued.get(value)?.issue.exchange;
      if (exchange !== undefined && exchange.replayed && !exchange.shadow.settled) issuers.add(exchange);
    }
    if (issuers.size > 0) this.counts.held++;
    return [...issuers];
  }

  rewrite(fields: HeaderField[]): void {
    for (const field of fields) {
      const key = field.name.toLowerCase();
      if (key === "cookie")
        field.value = field.value
          .split(";")
          .map((pair) => this.replaceCookie(pair))
          .join(";");
      else if (tokenField.test(key)) {
        const value = credentials(field.value);
        const other = this.shadowsOwn(value);
        if (other !== undefined) field.value = field.value.slice(0, field.value.length - value.length) + other;
      }
    }
  }

  private replaceCookie(pair: string): string {
    const value = cookieValue(pair);
    const other = this.shadowsOwn(value);
    if (other === undefined) return pair;
    const at = pair.lastIndexOf(value);
    return pair.slice(0, at) + other + pair.slice(at + value.length);
  }

  /** What the shadow issued in the place of a token of live; undefined when live did not issue it. */
  private shadowsOwn(value: string): string | undefined {
    const known = this.issued.get(value);
    if (known === undefined) return undefined;
    const other = known.issue.shadow.get(known.place);
    if (other === undefined) this.counts.unmatched++;
    else this.counts.substituted++;
    return other;
  }

  private begin(exchange: Exchange): Issue {
    const issue: Issue = { exchange: exchange.shadow.settled ? undefined : exchange, shadow: new Map() };
    exchange.follow(() => (issue.exchange = undefined));
    this.issues.set(exchange, issue);
    return issue;
  }

  private search(exchange: Exchange, which: "live" | "shadow", value: unknown, place: string, depth: number): void {
    if (typeof value === "string") this.note(exchange, which, place, value);
    else if (typeof value === "object" && value !== null && depth < 16) {
      for (const [name, inner] of Object.entries(value))
        this.search(exchange, which, inner, `${place}.${name}`, depth + 1);
    }
  }

  private note(exchange: Exchange, which: "live" | "shadow", place: string, value: string): void {
    if (value.length < shortestToken || !token.test(value)) return;
    let issue = this.issues.get(exchange);
    if (issue === undefined) {
      issue = this.begin(exchange);
    }
    if (which === "shadow") {
      issue.shadow.set(place, value);
      return;
    }
    if (!this.issued.delete(value)) this.counts.learned++;
    this.issued.set(value, { issue, place });
    const [oldest] = this.issued.keys();
    if (this.issued.size > rememberedTokens && oldest !== undefined) this.issued.delete(oldest);
  }
}

/** The value of a cookie, without the quotes in which it may stand. */
function cookieValue(pair: string): string {
  const value = pair.slice(pair.indexOf("=") + 1).trim();
  return /^".*"$/.test(value) ? value.slice(1, -1) : value;
}

/** The credentials in a field's value, without the name of their scheme. */
function credentials(value: string): string {
  return value.slice(value.lastIndexOf(" ") + 1);
}

/** Everything in a request's head that may be a token. */
function carried(fields: readonly HeaderField[]): string[] {
  return fields.flatMap(({ name, value }) => {
    const key = name.toLowerCase();
    if (key === "cookie") return value.split(";").map(cookieValue);
    return tokenField.test(key) ? [credentials(value)] : [];
  });
}
