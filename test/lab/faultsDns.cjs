// node faultsDns.cjs serve ADDRESS | ask ADDRESS NAME
const { createSocket } = require("node:dgram");
const { Resolver } = require("node:dns").promises;
const [mode, address, name] = process.argv.slice(2);

if (mode === "serve") {
  const server = createSocket(address.includes(":") ? "udp6" : "udp4");
  server.on("message", (query, from) => {
    let end = 12;
    while (query[end] !== 0) end += query[end] + 1;
    const type = query.readUInt16BE(end + 1);
    const value = type === 28 ? Buffer.from("fd090000000000000000000000000063", "hex") : Buffer.from([10, 9, 0, 99]);
    const header = Buffer.from(query.subarray(0, 12));
    header.writeUInt16BE(0x8180, 2);
    header.writeUInt16BE(1, 6);
    header.fill(0, 8);
    const record = Buffer.from([0xc0, 12, 0, type, 0, 1, 0, 0, 0, 60, 0, value.length]);
    server.send(Buffer.concat([header, query.subarray(12, end + 5), record, value]), from.port, from.address);
  });
  server.bind(53, address, () => console.log("ready"));
} else {
  const resolver = new Resolver({ timeout: 700, tries: 1 });
  resolver.setServers([address.includes(":") ? `[${address}]` : address]);
  resolver.resolve4(name).then(
    (found) => console.log(found.join()),
    (error) => console.log(error.code),
  );
}
