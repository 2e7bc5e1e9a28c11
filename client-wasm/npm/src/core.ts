// The one way from the facade to the Rust core. client.ts imports it before anything else, and it the
// module before the glue: one long text and then only code is half a KB less with gzip.
// build.mjs puts wasm/workerd.js or wasm/slim.js in its place for those entries.
import { compiled } from "./wasm/inline.js";
import { initSync, RawClient } from "../../pkg/client.js";

export { RawClient };

let started = false;

/**
 * Compiles and starts the core at its first call. Call it before anything of the core is used and
 * never while a module is evaluated: the import stays pure, and safe where nothing may be compiled.
 */
export function start(): void {
  if (started) return;
  initSync({ module: compiled() });
  started = true;
}
