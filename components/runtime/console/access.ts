import { createHash, randomBytes, timingSafeEqual } from "node:crypto";
import { chmod, mkdir, readFile, stat, writeFile } from "node:fs/promises";
import { isIP } from "node:net";
import { dirname } from "node:path";

import { ExitCode, ShadownetError } from "../../internal/problems";

/** Where the controller listens. */
export interface ListenAddress {
  host: string;
  port: number;
}

/** Reads `127.0.0.1:7425` or `[::1]:7425`; refuses what is not loopback, because the token would cross a network in clear. */
export function parseListenAddress(text: string): ListenAddress {
  const [, six, four, portText] = /^(?:\[([^\]]+)\]|([^:]+)):(\d{1,5})$/.exec(text) ?? [];
  const host = six ?? four;
  const port = Number(portText);
  if (host === undefined || port > 65_535) {
    const message = `--address ${text} is not an address and a port such as 127.0.0.1:7425 or [::1]:7425`;
    throw new ShadownetError("bad-address", message, ExitCode.BadInput);
  }
  if (isLoopback(host)) return { host, port };
  const cure = "put a proxy with TLS in front, or use `ssh -L 7425:127.0.0.1:7425 host`";
  const message = `--address ${text} is not loopback, and the token would cross the network in clear; ${cure}`;
  throw new ShadownetError("not-loopback", message, ExitCode.BadInput);
}

function isLoopback(host: string): boolean {
  return host === "localhost" || host === "::1" || (isIP(host) === 4 && host.startsWith("127."));
}

/** Address as it stands in a URL. */
export function hostAndPort({ host, port }: ListenAddress): string {
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}

/** The token in a file; made, for its owner alone, when there is none. Throws when others may read it or it is too short. */
export async function readOrMakeToken(file: string): Promise<string> {
  await mkdir(dirname(file), { recursive: true });
  try {
    await writeFile(file, `${randomBytes(32).toString("base64url")}\n`, { flag: "wx", mode: 0o600 });
    await chmod(file, 0o600);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== "EEXIST") throw error;
  }
  return readToken(file);
}

async function readToken(file: string): Promise<string> {
  const { mode } = await stat(file);
  if ((mode & 0o077) !== 0) {
    const message = `${file} may be read by others (mode ${(mode & 0o777).toString(8)}); type: chmod 600 ${file}`;
    throw new ShadownetError("token-not-private", message, ExitCode.BadInput);
  }
  const token = (await readFile(file, "utf8")).trim();
  if (/^[\w~+/.-]{16,512}=*$/.test(token)) return token;
  const message = `${file} does not hold a token of at least 16 letters, digits, or -._~+/`;
  throw new ShadownetError("bad-token-file", message, ExitCode.BadInput);
}

/** What a request says of itself. */
export interface RequestHeaders {
  host?: string;
  origin?: string;
  authorization?: string;
}

/** Why a request is turned away. */
export interface Refusal {
  status: 401 | 403 | 421;
  code: string;
  message: string;
}

/** Decides who may ask: the right name of the host, no foreign web page, and the token. */
export class Gatekeeper {
  private readonly digest: Buffer;

  /** `hosts` gives the host names with port under which the controller is reached; all in lower case. */
  constructor(
    token: string,
    private readonly hosts: () => ReadonlySet<string>,
  ) {
    this.digest = sha256(token);
  }

  /** Why the request is turned away; undefined when it may pass. `open` requests need no token. */
  refusal({ host = "", origin, authorization = "" }: RequestHeaders, open: boolean): Refusal | undefined {
    const hosts = this.hosts();
    if (!hosts.has(host.toLowerCase())) {
      const message = `this controller is not called "${host}"; it is ${[...hosts].join(" or ")} (--allow-host adds names)`;
      return { status: 421, code: "wrong-host", message };
    }
    if (origin !== undefined && !this.isOwnOrigin(origin, hosts)) {
      return { status: 403, code: "foreign-origin", message: `pages of ${origin} may not ask this controller` };
    }
    if (open || this.hasToken(authorization)) return undefined;
    const message =
      "give the controller's token: `Authorization: Bearer …`; `shadownet serve` says which file holds it";
    return { status: 401, code: "no-token", message };
  }

  private isOwnOrigin(origin: string, hosts: ReadonlySet<string>): boolean {
    return /^https?:\/\//.test(origin) && hosts.has(origin.replace(/^https?:\/\//, "").toLowerCase());
  }

  /** Digests have one length and are compared in constant time. */
  private hasToken(authorization: string): boolean {
    const [scheme = "", token = ""] = authorization.split(" ", 2);
    const matches = timingSafeEqual(sha256(token), this.digest);
    return scheme.toLowerCase() === "bearer" && matches;
  }
}

function sha256(text: string): Buffer {
  return createHash("sha256").update(text).digest();
}
