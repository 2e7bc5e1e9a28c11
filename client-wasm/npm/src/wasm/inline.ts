// The module as text inside the package's own code: the one form that every bundler, a plain
// <script type="module">, and Node's import and require all load without configuration.
import { alphabet, common, length, prefixes, text } from "../../../pkg/client.wasm?text";

/** The compiled core. Decoding and compiling take about a millisecond, paid at first use. */
export function compiled(): WebAssembly.Module {
  return new WebAssembly.Module(decoded());
}

// The reverse of text.mjs, which says why it is not hex or base64.
function decoded(): Uint8Array<ArrayBuffer> {
  const places = new Uint8Array(128);
  for (let at = 0; at < alphabet.length; at++) places[alphabet.charCodeAt(at)] = at;
  const place = (at: number) => places[text.charCodeAt(at)]!;

  const often = common.match(/../g)!.map((byte) => parseInt(byte, 16));
  const seldom = Array.from({ length: 256 }, (_, byte) => byte).filter((byte) => !often.includes(byte));

  const bytes = new Uint8Array(length);
  for (let from = 0, to = 0; to < length; to++) {
    const first = place(from++);
    bytes[to] = first < prefixes ? seldom[first * alphabet.length + place(from++)]! : often[first - prefixes]!;
  }
  return bytes;
}
