import * as encoded from "../../../../pkg/agent.wasm?text";
import { decoded } from "../../wasm/text.js";

export function compiled(): WebAssembly.Module {
  return new WebAssembly.Module(decoded(encoded));
}
