// The reverse of text.mjs, which says why it is not hex or base64.
import type * as encoded from "../../../pkg/client.wasm?text";

/** The bytes of a module. */
export function decoded({ alphabet, common, length, prefixes, text }: typeof encoded): Uint8Array<ArrayBuffer> {
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
