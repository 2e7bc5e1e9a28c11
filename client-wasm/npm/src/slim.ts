export * from "./index.js";
export { load, loadAgent, type WasmSource } from "./wasm/slim.js";
