// What build.mjs makes of the wasm file.

declare module "*.wasm?text" {
  /** The characters of `text`. */
  export const alphabet: string;
  /** How many of the first of them begin a byte of two characters. */
  export const prefixes: number;
  /** The bytes that have one character, in hex; the others have two. Both ascend with their characters. */
  export const common: string;
  /** How many bytes the module has. */
  export const length: number;
  export const text: string;
}

declare module "*.wasm" {
  const module: WebAssembly.Module;
  export default module;
}
