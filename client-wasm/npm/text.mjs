// The wasm file as text that costs nothing once it is compressed: within a percent of the file itself with
// gzip, where hex has 9 % more and base64 30 % (it hides the byte boundaries from the compressor).
//
// The bytes that a module is mostly made of are one printable character each, the others two: a prefix and a
// character. What one string literal or another would have to escape is not among the characters.

const alphabet = Array.from({ length: 95 }, (_, at) => String.fromCharCode(32 + at)).filter((it) => !"\"'`\\$<&".includes(it));
const prefixes = 2;

/** The source of a JavaScript module, whose exports src/wasm/inline.ts puts together again. */
export function textModule(bytes) {
  const counts = new Array(256).fill(0);
  for (const byte of bytes) counts[byte]++;
  const all = [...counts.keys()];
  const common = all.toSorted((a, b) => counts[b] - counts[a]).slice(0, alphabet.length - prefixes);
  common.sort((a, b) => a - b);
  const rare = all.filter((byte) => !common.includes(byte));

  const words = [];
  common.forEach((byte, at) => (words[byte] = alphabet[prefixes + at]));
  rare.forEach((byte, at) => (words[byte] = alphabet[Math.floor(at / alphabet.length)] + alphabet[at % alphabet.length]));
  const text = Array.from(bytes, (byte) => words[byte]).join("");

  const exported = { alphabet: alphabet.join(""), prefixes, common: Buffer.from(common).toString("hex"), length: bytes.length, text };
  return Object.entries(exported).map(([name, value]) => `export const ${name} = ${JSON.stringify(value)};`).join("\n");
}
