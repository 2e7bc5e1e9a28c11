// What build.mjs makes of the wasm file.

declare module "*.wasm?hex" {
  const hex: string;
  export default hex;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
