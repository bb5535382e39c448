// What the machines of the crash drill run: a server with a helper that it always has, or a client that never stops.
const http = require("node:http");
const { spawn } = require("node:child_process");

const addresses = process.argv.slice(3);

function serve() {
  const help = () => spawn("tail", ["-f", "/dev/null"]).on("exit", help);
  help();
  http.createServer((_, response) => response.end("hello")).listen({ port: 80, host: "::", ipv6Only: false });
}

function ask(turn) {
  const request = http.get({ host: addresses[turn % addresses.length], agent: false, timeout: 2000 }, (response) => {
    response.resume();
  });
  request.on("timeout", () => request.destroy()).on("error", () => undefined);
  setTimeout(ask, 50, turn + 1);
}

if (process.argv[2] === "serve") serve();
else ask(0);
