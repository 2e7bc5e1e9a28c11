// Counts the WebAssembly modules started from here on. Imported before the package, it tells whether the
// package's import alone started one, and whether its first use really did.
const { Instance } = WebAssembly;

export let started = 0;

WebAssembly.Instance = class extends Instance {
  constructor(...given) {
    super(...given);
    started += 1;
  }
};
