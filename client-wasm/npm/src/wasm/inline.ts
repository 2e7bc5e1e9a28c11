// The module as text inside the package's own code: the one form that every bundler, a plain
// <script type="module">, and Node's import and require all load without configuration.
// Hex, not base64: base64 hides the byte boundaries from gzip and ends 20 % larger.
import hex from "../../../pkg/client.wasm?hex";

/** The compiled core. Decoding and compiling take about a millisecond, paid at first use. */
export function compiled(): WebAssembly.Module {
  const bytes = new Uint8Array(hex.length / 2);
  for (let at = 0; at < bytes.length; at++) {
    bytes[at] = (digit(hex.charCodeAt(at * 2)) << 4) | digit(hex.charCodeAt(at * 2 + 1));
  }
  return new WebAssembly.Module(bytes);
}

// 0-9 are 0x30-0x39 and a-f are 0x61-0x66: the low four bits, and nine more for a letter.
function digit(code: number): number {
  return (code & 15) + (code >> 6) * 9;
}
