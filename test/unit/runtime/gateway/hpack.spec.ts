import assert from "node:assert/strict";

import { encodePlainly, HpackDecoder, type Field } from "../../../../components/runtime/gateway/compare/http2/hpack";

const date = "Mon, 21 Oct 2013 20:13:2";
const cookie = "foo=ASDJKHQKBZXOQWEOPIUAXQWEOIU; max-age=3600; version=1";
const site: Field[] = [
  [":method", "GET"],
  [":scheme", "http"],
  [":path", "/"],
  [":authority", "www.example.com"],
];
const asked: Field[][] = [
  site,
  [...site, ["cache-control", "no-cache"]],
  [
    [":method", "GET"],
    [":scheme", "https"],
    [":path", "/index.html"],
    [":authority", "www.example.com"],
    ["custom-key", "custom-value"],
  ],
];
const moved = (status: string): Field[] => [
  [":status", status],
  ["cache-control", "private"],
  ["date", `${date}1 GMT`],
  ["location", "https://www.example.com"],
];
const answered: Field[][] = [
  moved("302"),
  moved("307"),
  [
    [":status", "200"],
    ["cache-control", "private"],
    ["date", `${date}2 GMT`],
    ["location", "https://www.example.com"],
    ["content-encoding", "gzip"],
    ["set-cookie", cookie],
  ],
];
const hex = (text: string): Buffer => Buffer.from(text.replaceAll(" ", ""), "hex");

/** The examples of RFC 7541, appendix C. */
const plain = [
  "828684410f 7777772e6578616d706c652e636f6d",
  "828684be5808 6e6f2d6361636865",
  "828785bf400a 637573746f6d2d6b6579 0c 637573746f6d2d76616c7565",
].map(hex);
const coded = [
  "828684418c f1e3c2e5f23a6ba0ab90f4ff",
  "828684be5886 a8eb10649cbf",
  "828785bf4088 25a849e95ba97d7f 89 25a849e95bb8e8b4bf",
].map(hex);
const text = (value: string): string => Buffer.from(value, "latin1").toString("hex");
const answers = [
  `4803${text("302")} 5807${text("private")} 611d${text(`${date}1 GMT`)} 6e17${text("https://www.example.com")}`,
  `4803${text("307")} c1c0bf`,
  `88c1 611d${text(`${date}2 GMT`)} c0 5a04${text("gzip")} 7738${text(cookie)}`,
].map(hex);

describe("gateway: header blocks of HTTP/2", () => {
  const examples: [name: string, blocks: Buffer[], fields: Field[][], table?: number][] = [
    ["requests", plain, asked],
    ["requests in Huffman's code", coded, asked],
    ["answers whose table forgets the oldest", answers, answered, 256],
  ];
  for (const [name, blocks, fields, table] of examples) {
    it(`are read as the standard's examples say: ${name}`, () => {
      const decoder = new HpackDecoder(table);
      for (const [index, block] of blocks.entries()) assert.deepEqual(decoder.decode(block), fields[index]);
    });
  }

  it("are none when they end within a field", () => {
    for (const [block, whole] of [
      [plain[0]!, [0, 1, 2, 3]],
      [coded[0]!, [0, 1, 2, 3]],
      [encodePlainly([["a", "b".repeat(300)]]), [0, 1]],
    ] as const) {
      for (let length = 0; length < block.length; length++) {
        const fields = new HpackDecoder().decode(block.subarray(0, length));
        assert.equal(fields !== undefined, (whole as readonly number[]).includes(length), `${length} bytes`);
      }
    }
  });

  it("are none when they name what is not there, or make their table larger than it may be", () => {
    const decoded = (bytes: string): Field[] | undefined => new HpackDecoder(4_096).decode(hex(bytes));
    assert.deepEqual(decoded("bd"), [["www-authenticate", ""]]);
    for (const bytes of ["80", "be", "ff8001", "7e01 61", "ffffffffffffffffffff01", "3fe2 1f"]) {
      assert.equal(decoded(bytes), undefined, bytes);
    }
    assert.deepEqual(decoded("3fe1 1f"), []);
    const wrongPadding = Buffer.from(coded[0]!);
    wrongPadding[wrongPadding.length - 1]! &= 0xfe;
    assert.equal(new HpackDecoder().decode(wrongPadding), undefined);
  });

  it("forget what a smaller table cannot hold, and remember no field that asks for that", () => {
    const decoder = new HpackDecoder();
    const both = hex(`40 01${text("a")} 01${text("1")} 40 01${text("b")} 01${text("2")}`);
    assert.deepEqual(decoder.decode(both), [
      ["a", "1"],
      ["b", "2"],
    ]);
    assert.deepEqual(
      decoder.decode(hex(`be bf 10 01${text("c")} 01${text("3")} 00 01${text("d")} 01${text("4")} be`)),
      [
        ["b", "2"],
        ["a", "1"],
        ["c", "3"],
        ["d", "4"],
        ["b", "2"],
      ],
    );
    assert.deepEqual(decoder.decode(hex("3f03 be")), [["b", "2"]]);
    assert.equal(decoder.decode(hex("bf")), undefined);
    assert.deepEqual(decoder.decode(hex("20")), []);
    assert.equal(decoder.decode(hex("be")), undefined);
  });

  it("are written so that they are read as they were, whatever the table of the other side", () => {
    const lengths = [0, 1, 126, 127, 128, 254, 255, 256, 16_383, 16_510, 16_511, 70_000];
    const fields = lengths.map((length): Field => [`x-${length}`, "é".repeat(length)]);
    assert.deepEqual(new HpackDecoder(0).decode(encodePlainly(fields)), fields);
  });
});
