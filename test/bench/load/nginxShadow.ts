import { type ChildProcess, spawn } from "node:child_process";
import { chmodSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";

import { shortBodyBytes } from "./mirrorLoad";

/** Requests that a shadow server has seen. */
export interface Served {
  /** Whole requests whose two identifiers agree. */
  intact: number;
  /** Everything else that it took for a request. */
  corrupt: number;
}

/** An nginx that checks and counts every request by itself. */
export interface NginxShadow {
  port: number;
  served(): Promise<Served>;
  stop(): Promise<void>;
}

function configuration(folder: string, port: number): string {
  return `
worker_processes 1; daemon off; pid ${folder}/pid; error_log ${folder}/error.log;
events { worker_connections 30000; }
http {
  client_body_temp_path ${folder}/body; proxy_temp_path ${folder}/proxy; fastcgi_temp_path ${folder}/fastcgi;
  uwsgi_temp_path ${folder}/uwsgi; scgi_temp_path ${folder}/scgi;
  map "$request_uri|$http_x_id" $corrupt { default 1; "~^/item/([0-9]+)\\|\\1$" 0; }
  keepalive_requests 1000000000; keepalive_timeout 3600;
  server {
    listen 127.0.0.1:${port} backlog=16384;
    access_log ${folder}/corrupt.log combined if=$corrupt;
    open_file_cache max=10; sendfile on; tcp_nopush on; root ${folder};
    location / { if ($corrupt) { return 400; } rewrite ^ /content break; }
  }
  server { listen 127.0.0.1:${port + 1}; access_log off; location / { stub_status; } }
}`;
}

/** Starts the server in a folder of its own; every answer has `bodyBytes` of content. It listens on `port`, its counters are on the next one. */
export async function startNginxShadow(
  parent: string,
  port: number,
  bodyBytes: number = shortBodyBytes,
): Promise<NginxShadow> {
  const folder = join(parent, `nginx-${port}`);
  mkdirSync(folder);
  chmodSync(parent, 0o755);
  writeFileSync(join(folder, "content"), "r".repeat(bodyBytes));
  writeFileSync(join(folder, "nginx.conf"), configuration(folder, port));
  const child = spawn("nginx", ["-c", join(folder, "nginx.conf"), "-e", join(folder, "error.log")], {
    stdio: "inherit",
  });
  let asked = 0;
  const handled = async (): Promise<number> => {
    const text = await (await fetch(`http://127.0.0.1:${port + 1}/`)).text();
    asked++;
    return Number(/requests\s+\d+ \d+ (\d+)/.exec(text)![1]) - asked;
  };
  await reachable(handled, child);
  return {
    port,
    served: async () => {
      const corrupt = readFileSync(join(folder, "corrupt.log"), "latin1").split("\n").length - 1;
      return { intact: (await handled()) - corrupt, corrupt };
    },
    stop: () => stopChild(child),
  };
}

async function reachable(handled: () => Promise<number>, child: ChildProcess): Promise<void> {
  for (let attempt = 0; ; attempt++) {
    try {
      await handled();
      return;
    } catch (error) {
      if (attempt === 100 || child.exitCode !== null) throw error;
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  }
}

/** Ends a process that the bench has started. */
export async function stopChild(child: ChildProcess): Promise<void> {
  if (child.exitCode !== null || child.signalCode !== null) return;
  const ended = new Promise((resolve) => child.once("exit", resolve));
  child.kill("SIGTERM");
  await ended;
}
