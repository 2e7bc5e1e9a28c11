// The one way from the facade to the Rust core. client.ts imports it before anything else, and it the
// module before the glue: one long text and then only code is half a KB less with gzip.
// build.mjs puts wasm/workerd.js or wasm/slim.js in its place for those entries.
import { compiled } from "./wasm/inline.js";
import { connect, initSync } from "../../pkg/client.js";
import type { Core, CoreOptions } from "./border.js";

let isStarted = false;

/**
 * A core, which calls `tell` with what happens. The first call compiles it, so it is never made while a
 * module is evaluated: the import stays pure, and safe where nothing may be compiled. `tell` must not throw.
 */
export function core(options: CoreOptions, tell: (told: unknown[]) => void): Core {
  if (!isStarted) initSync({ module: compiled() });
  isStarted = true;
  return connect(options, { tell }) as Core;
}
