import { ExitCode, ShadownetError } from "../../internal/problems";
import { messageOf, readConfig, serveGateway } from "./serve";

/** `node main.js CONFIG.json`: one gateway process. */
async function main(path: string | undefined): Promise<void> {
  if (path === undefined) throw new ShadownetError("usage", "usage: main.js CONFIG.json", ExitCode.BadInput);
  await serveGateway(readConfig(path), { reread: () => readConfig(path) });
  process.exit(ExitCode.Done);
}

// What cannot be said, as where the log's disk is full too, is no reason to carry nothing any more.
process.stderr.on("error", () => undefined);

main(process.argv[2]).catch((error: unknown) => {
  process.stderr.write(`${messageOf(error)}\n`);
  process.exit(error instanceof ShadownetError ? error.exitCode : ExitCode.FailureFound);
});
