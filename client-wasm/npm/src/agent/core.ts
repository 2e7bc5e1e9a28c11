// The one way from the agents' facade to their core; see ../core.ts.
import { compiled } from "./wasm/inline.js";
import { connect, initSync } from "../../../pkg/agent.js";
import type { CoreOptions } from "../border.js";
import type { AgentCore } from "./border.js";

// Only to be made once there is a core.
export { Ledger } from "../../../pkg/agent.js";

let isStarted = false;

/** A core, which calls `tell` with what happens. The first call compiles it, or takes what is compiled. */
export function core(module: WebAssembly.Module | undefined, options: CoreOptions, tell: (told: unknown[]) => void): AgentCore {
  if (!isStarted) initSync({ module: module ?? compiled() });
  isStarted = true;
  return connect(options, { tell }) as AgentCore;
}
