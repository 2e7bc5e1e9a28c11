// See ../../wasm/workerd.ts.
import module from "../../../../pkg/agent.wasm";

export function compiled(): WebAssembly.Module {
  return module;
}
