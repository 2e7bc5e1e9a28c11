// The module as text inside the package's own code: the one form that every bundler, a plain
// <script type="module">, and Node's import and require all load without configuration.
import * as encoded from "../../../pkg/client.wasm?text";
import { decoded } from "./text.js";

/** The compiled core. Decoding and compiling take about a millisecond, paid at first use. */
export function compiled(): WebAssembly.Module {
  return new WebAssembly.Module(decoded(encoded));
}

/** The agents' core, which has its own way here. */
export function agentModule(): undefined {}
