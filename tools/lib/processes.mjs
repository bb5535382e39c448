// Starting programs from the tools.
import { spawn } from "node:child_process";
import { constants } from "node:os";

/** Runs a program to its end; `output` holds what it printed, both streams together. Never throws. */
export function capture(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"], ...options });
    let output = "";
    const keep = (text) => (output += text);
    child.stdout.setEncoding("utf8").on("data", keep);
    child.stderr.setEncoding("utf8").on("data", keep);
    child.on("error", (error) => resolve({ code: 127, output: error.message }));
    child.on("close", (code, signal) =>
      resolve({ code: code ?? 128, output: signal ? `${output}\n${signal}` : output }),
    );
  });
}

/** Runs a program in the user's terminal and returns its exit code; hands on the signals that this process gets. */
export function foreground(program, args, options = {}) {
  return new Promise((resolve) => {
    const child = spawn(program, args, { stdio: "inherit", ...options });
    // Ctrl-C in a terminal reaches the child by itself, because it is in the same process group: handing it on as well
    // would look like a second Ctrl-C.
    const handlers = new Map([
      ["SIGINT", () => process.stdin.isTTY || child.kill("SIGINT")],
      ["SIGTERM", () => child.kill("SIGTERM")],
      ["SIGHUP", () => child.kill("SIGHUP")],
    ]);
    for (const [signal, handler] of handlers) process.on(signal, handler);
    const finish = (code) => {
      for (const [signal, handler] of handlers) process.off(signal, handler);
      resolve(code);
    };
    child.on("error", (error) => {
      console.error(`${program}: ${error.message}`);
      finish(127);
    });
    child.on("close", (code, signal) => finish(code ?? 128 + (constants.signals[signal] ?? 0)));
  });
}
