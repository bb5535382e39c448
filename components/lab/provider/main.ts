import { readFileSync } from "node:fs";
import { join } from "node:path";

import { serve } from "./host";
import { kinds } from "./kinds";
import { explain } from "./preparation";
import { packageSchema } from "./schema";

const name = "shadownetlab";
const root = join(__dirname, "..", "..", "..", "..");
const { version } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as { version: string };
const engineAddress = process.argv
  .slice(2)
  .filter((argument) => !argument.startsWith("-"))
  .at(-1);

serve({ name, version, kinds, schema: packageSchema(name, version, kinds), explain }, engineAddress);
