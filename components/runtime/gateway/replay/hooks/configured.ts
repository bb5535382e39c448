import type { Problem } from "../../../../internal/problems";
import type { GatewayStats } from "../../stats";
import type { RequestHook, ResponseObserver } from "./hook";
import { idempotencyKey } from "./idempotencyKey";
import { setHeaders } from "./setHeaders";
import { TokenSubstitution } from "./tokens";

/** Changes to requests on their way to the shadow; none by default. HTTP/1.x alone. */
export interface HookConfig {
  /** Header fields and the value that each of them gets. */
  setHeaders?: Record<string, string>;
  /** Appended to `Idempotency-Key`, 1 to 64 letters, digits, `-`, `_` or `.`. */
  idempotencySuffix?: string;
  /** True when requests carry the tokens that the shadow issued in the place of live's. Defaults to false. */
  substituteTokens?: boolean;
}

/** Fields that say where a message ends or what becomes of its connection. */
const framing = new Set(["content-length", "transfer-encoding", "connection", "upgrade", "te", "trailer", "expect"]);

/** The hooks that a configuration asks for; undefined when there are none, so that bytes stay verbatim. */
export function configuredHooks(
  config: HookConfig | undefined,
  stats: GatewayStats,
): readonly RequestHook[] | undefined {
  const hooks: RequestHook[] = [];
  if (config?.setHeaders !== undefined) hooks.push(setHeaders(config.setHeaders));
  if (config?.idempotencySuffix !== undefined) hooks.push(idempotencyKey(config.idempotencySuffix));
  if (config?.substituteTokens === true) hooks.push(new TokenSubstitution(stats.replay.tokens));
  return hooks.length === 0 ? undefined : hooks;
}

/** The hook that learns from responses, where there is one. */
export function observerIn(hooks: readonly RequestHook[] | undefined): ResponseObserver | undefined {
  return hooks?.find((hook) => hook instanceof TokenSubstitution);
}

/** Everything that is wrong with the configuration of hooks. */
export function hookProblems(config: HookConfig): Problem[] {
  const problems: Problem[] = [];
  const known = new Set<string>();
  for (const [name, value] of Object.entries(config.setHeaders ?? {})) {
    const path = `hooks.setHeaders["${name}"]`;
    if (known.has(name.toLowerCase())) problems.push({ path, reason: "is given twice, in other letters" });
    known.add(name.toLowerCase());
    if (!/^[!#$%&'*+.^_`|~0-9A-Za-z-]+$/.test(name)) problems.push({ path, reason: "is no name of a header field" });
    else if (framing.has(name.toLowerCase())) {
      problems.push({ path, reason: "decides the framing of the message and cannot be set" });
    }
    if (!/^[\t -~\u0080-\u00ff]*$/.test(value)) {
      problems.push({ path, reason: `${JSON.stringify(value)} has characters that a header field cannot carry` });
    }
  }
  const { idempotencySuffix: suffix } = config;
  if (suffix !== undefined && !/^[A-Za-z0-9._-]{1,64}$/.test(suffix)) {
    const reason = `"${suffix}" is not 1 to 64 letters, digits, "-", "_" or "."`;
    problems.push({ path: "hooks.idempotencySuffix", reason });
  }
  return problems;
}
