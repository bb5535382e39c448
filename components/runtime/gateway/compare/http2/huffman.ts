/**
 * Lengths of the Huffman codes of RFC 7541, appendix B, one base-36 digit for each byte value. The code is canonical:
 * codes of one length follow each other in the order of their symbols, so that the lengths say everything. The end mark,
 * whose 30 ones only ever appear as padding, would come last.
 */
const lengthDigits =
  "dnsssssssoussussssssssusssssssss6aacd68baa8b8666555666666678f6cad67777777777777777777777878djde6" +
  "f56565666577666567655677777fbedskmkkmmmnmnnnnnonoomnonnnnlmnmnnomlkmmnnlnmmolmnnllmlnmnnkmmmnmmn" +
  "qqkjmnmpqqqrrqopjlqrrqrollqqsrrrkoklmllnmmppooqnqrqqrrrrrsrrrrrq";

const longest = 30;

/** First code of each length, how many there are, and where their symbols begin in `symbols`. */
const firstCode = new Int32Array(longest + 1);
const codeCount = new Int32Array(longest + 1);
const firstSymbol = new Int32Array(longest + 1);
const symbols = new Uint8Array(256);

function fillTables(): void {
  const lengths = Array.from(lengthDigits, (digit) => parseInt(digit, 36));
  let code = 0;
  let position = 0;
  for (let length = 1; length <= longest; length++) {
    code *= 2;
    firstCode[length] = code;
    firstSymbol[length] = position;
    lengths.forEach((other, symbol) => {
      if (other === length) symbols[position++] = symbol;
    });
    codeCount[length] = position - firstSymbol[length]!;
    code += codeCount[length]!;
  }
}
fillTables();

/** The text that Huffman-coded bytes stand for, one character for each byte; undefined when they are no such code. */
export function decodeHuffman(bytes: Buffer, from: number, to: number): string | undefined {
  let text = "";
  let code = 0;
  let length = 0;
  for (let at = from; at < to; at++) {
    for (let bit = 7; bit >= 0; bit--) {
      code = (code << 1) | ((bytes[at]! >> bit) & 1);
      if (++length > longest) return undefined;
      const within = code - firstCode[length]!;
      if (within < 0 || within >= codeCount[length]!) continue;
      text += String.fromCharCode(symbols[firstSymbol[length]! + within]!);
      code = length = 0;
    }
  }
  const padded = length < 8 && code === (1 << length) - 1;
  return padded ? text : undefined;
}
