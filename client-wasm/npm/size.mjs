// node size.mjs DIR: what the built package in DIR weighs, a line for each part: name, and its bytes raw,
// with gzip and with brotli, with tabs between. `cargo xtask size` makes a table of it and holds the limit.

import { build } from "esbuild";
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { brotliCompressSync, gzipSync } from "node:zlib";
import { textModule } from "./text.mjs";

const here = import.meta.dirname;
const dist = join(resolve(process.argv[2]), "dist");

// What an application pays that serves no agent, and then what it loads when it does.
const wasm = module("client.wasm");
report("wasm", wasm);
report("wasm as text", Buffer.from(textModule(wasm)));
// `export *` leaves out the default export: the asynchronous initialiser, which nobody calls.
report("glue of wasm-bindgen, minified", await minified({ stdin: { contents: 'export * from "../pkg/client.js"', resolveDir: here } }));
const external = ["*/pkg/client.js", "*/wasm/inline.js", "*/agent.js"];
report("facade, minified", await minified({ entryPoints: [join(here, "src/index.ts")], external }));
report("total, minified", await minified({ entryPoints: [join(dist, "index.js")], external: ["*/agent.js"] }));
report("agents' wasm", module("agent.wasm"));
report("agents in all, minified", await minified({ entryPoints: [join(dist, "agent.js")] }));

function module(name) {
  return readFileSync(join(dist, name));
}

async function minified(input) {
  const { outputFiles } = await build({ ...input, bundle: true, minify: true, format: "esm", target: "es2022", write: false });
  return outputFiles[0].contents;
}

function report(name, bytes) {
  const sizes = [bytes, gzipSync(bytes, { level: 9 }), brotliCompressSync(bytes)];
  console.log([name, ...sizes.map((part) => part.length)].join("\t"));
}
