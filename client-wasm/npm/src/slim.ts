export * from "./index.js";
export { load, type WasmSource } from "./wasm/slim.js";
