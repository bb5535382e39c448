import { strict as assert } from "node:assert";
import { readFileSync } from "node:fs";
import { runInNewContext } from "node:vm";

import { MemoryReturn, unchangedPagesOf } from "../../../../components/runtime/gateway/giveBack";

const mapping = (line: string, anonymous: number): string =>
  `${line}\nRss: 8 kB\nAnonymous: ${anonymous} kB\nSwap: 0 kB\n`;

const filePages = (): number => Number(/^RssFile:\s+(\d+) kB/m.exec(readFileSync("/proc/self/status", "utf8"))?.[1]);

describe("memory that the gateway gives back", () => {
  it("is that of unchanged mappings of the program alone", () => {
    const smaps = [
      mapping("00400000-00402000 r--p 00000000 fe:00 12   /usr/bin/node", 0),
      mapping("00402000-00408000 r-xp 00002000 fe:00 12   /usr/bin/node", 0),
      mapping("00408000-00409000 r--p 00008000 fe:00 12   /usr/bin/node", 4),
      mapping("00409000-0040a000 rw-p 00009000 fe:00 12   /usr/bin/node", 0),
      mapping("0040a000-0040b000 r--s 00009000 fe:00 12   /usr/bin/node", 0),
      mapping("0040c000-0040d000 r--p 00000000 fe:00 13   /usr/lib/libother.so", 0),
      mapping("01000000-01800000 rw-p 00000000 00:00 0    [heap]", 8192),
      mapping("7f0000000000-7f0000001000 r--p 00000000 00:00 0 ", 0),
      mapping("7ffd00000000-7ffd00002000 r-xp 00000000 00:00 0    [vdso]", 0),
    ].join("");
    assert.deepEqual(unchangedPagesOf("/usr/bin/node", smaps), [
      { start: 0x400000, bytes: 0x2000 },
      { start: 0x402000, bytes: 0x6000 },
    ]);
  });

  it("goes, and comes back where it is used", () => {
    const memory = MemoryReturn.open();
    assert.ok(memory !== undefined);
    const before = filePages();
    memory.run();
    const after = filePages();
    assert.ok(after < before / 2, `${before} kB of files, and ${after} kB after they were given back`);
    assert.equal(runInNewContext("JSON.stringify({ time: new Date(0) })"), '{"time":"1970-01-01T00:00:00.000Z"}');
    assert.ok(filePages() > after);
  });
});
