// Cloudflare's runtime refuses to compile at run time; there a .wasm import is a compiled module.
import module from "../../../pkg/client.wasm";

export function compiled(): WebAssembly.Module {
  return module;
}

/** The agents' core, which has its own way here. */
export function agentModule(): undefined {}
