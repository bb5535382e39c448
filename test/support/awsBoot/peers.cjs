// `node peers.cjs aws FOLDER`: stands in for the metadata service, the parameter store and CloudWatch, sends packets and
// asks for pages as lines on stdin say. `node peers.cjs shadow FOLDER`: a shadow server that writes down who asked what.
const { appendFileSync, readFileSync } = require("node:fs");
const { createSocket } = require("node:dgram");
const { createServer, get } = require("node:http");
const { join } = require("node:path");
const { createInterface } = require("node:readline");

const [mode, folder] = process.argv.slice(2);
const note = (file, value) => appendFileSync(join(folder, file), `${JSON.stringify(value)}\n`);

const metadata = {
  "instance-id": "i-0123456789abcdef0",
  "local-ipv4": "100.64.0.20",
  "network/interfaces/macs/02:00:00:00:00:10/subnet-ipv4-cidr-block": "100.64.0.0/24",
  "iam/security-credentials/": "gateway",
  "iam/security-credentials/gateway": JSON.stringify({
    Code: "Success",
    AccessKeyId: "AKIATESTONLYTESTONLY",
    SecretAccessKey: "test-only",
    Token: "test-only",
    Expiration: "2100-01-01T00:00:00Z",
  }),
};

function answerMetadata({ method, url, headers }, response) {
  if (method === "PUT" && url === "/latest/api/token") return response.end("a-token");
  const text = metadata[url.replace("/latest/meta-data/", "")];
  const allowed = headers["x-aws-ec2-metadata-token"] === "a-token";
  response.statusCode = !allowed ? 401 : text === undefined ? 404 : 200;
  response.end(text);
}

function answerApi(request, response) {
  const parts = [];
  request.on("data", (part) => parts.push(part));
  request.on("end", () => {
    const body = JSON.parse(Buffer.concat(parts).toString());
    response.setHeader("content-type", "application/x-amz-json-1.1");
    if (request.headers["x-amz-target"] === "AmazonSSM.GetParameters") {
      const values = JSON.parse(readFileSync(join(folder, "parameters.json"), "utf8"));
      const known = body.Names.filter((name) => name in values);
      response.end(JSON.stringify({ Parameters: known.map((Name) => ({ Name, Value: values[Name] })) }));
    } else {
      const signed = (request.headers.authorization ?? "").includes("AKIATESTONLYTESTONLY");
      note("published.ndjson", { ...body, signed });
      response.end("{}");
    }
  });
}

if (mode === "aws") {
  createServer(answerMetadata).listen(80, "169.254.169.254");
  createServer(answerApi).listen(9999, "100.64.1.5");
  const socket = createSocket("udp4");
  socket.bind(0, "100.64.1.5");
  createInterface({ input: process.stdin }).on("line", (line) => {
    const { packet, port, address, url } = JSON.parse(line);
    if (packet !== undefined) socket.send(Buffer.from(packet, "base64"), port, address);
    else {
      get(url, { localAddress: "100.64.1.5" }, (response) => {
        response.resume();
        note("pages.ndjson", { url, status: response.statusCode });
      }).on("error", (error) => note("pages.ndjson", { url, error: error.code }));
    }
  });
} else {
  createServer((request, response) => {
    const { remoteAddress, remotePort } = request.socket;
    note("shadow.ndjson", { from: `${remoteAddress}:${remotePort}`, url: request.url });
    response.end("ok");
  }).listen(80, "10.20.10.11");
}
