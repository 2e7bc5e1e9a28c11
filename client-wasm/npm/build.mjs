// node build.mjs DIR [--no-types]: makes DIR the package, as it is published, out of src/ and ../pkg (the
// output of wasm-bindgen). `cargo xtask package` calls it; --no-types is for the demo, where nobody reads them.

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { textModule } from "./text.mjs";

const here = import.meta.dirname;
const wasm = join(here, "../pkg/client.wasm");

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: { "no-types": { type: "boolean", default: false } },
});
const [directory] = positionals;
if (!directory) throw new Error("usage: node build.mjs DIR [--no-types]");
const dist = join(resolve(directory), "dist");

rmSync(directory, { recursive: true, force: true });
mkdirSync(dist, { recursive: true });
await Promise.all([
  bundle("index.ts", "index.js", "esm", "inline"),
  bundle("index.ts", "index.cjs", "cjs", "inline"),
  bundle("index.ts", "workerd.js", "esm", "workerd"),
  bundle("slim.ts", "slim.js", "esm", "slim"),
  bundle("slim.ts", "slim.cjs", "cjs", "slim"),
]);
copyFileSync(wasm, join(dist, "client.wasm"));
if (!values["no-types"]) declarations(["index", "slim"]);
for (const file of ["README.md", "../../LICENSE-MIT", "../../LICENSE-APACHE"]) {
  copyFileSync(join(here, file), join(directory, basename(file)));
}
manifest();

/** One self-contained file. Not minified: the application's bundler does that, a debugger would not undo it. */
async function bundle(entry, name, format, source) {
  await build({
    absWorkingDir: here,
    entryPoints: [join("src", entry)],
    outfile: join(dist, name),
    bundle: true,
    format,
    target: "es2022",
    charset: "utf8",
    logLevel: "warning",
    plugins: [wasmSource(source)],
  });
}

/** Where the core comes from in this entry, and what an import of the wasm file itself means. */
function wasmSource(source) {
  return {
    name: "wasm-source",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/wasm\/inline\.js$/ }, () => ({ path: join(here, `src/wasm/${source}.ts`) }));
      onResolve({ filter: /\.wasm$/ }, () => ({ path: "./client.wasm", external: true }));
      onResolve({ filter: /\.wasm\?text$/ }, () => ({ path: "client.wasm", namespace: "text" }));
      onLoad({ filter: /.*/, namespace: "text" }, () => ({ contents: textModule(readFileSync(wasm)) }));
    },
  };
}

/** package.json without what only this checkout needs. */
function manifest() {
  const { devDependencies, scripts, ...published } = JSON.parse(readFileSync(join(here, "package.json"), "utf8"));
  writeFileSync(join(directory, "package.json"), `${JSON.stringify(published, null, 2)}\n`);
}

/** The .d.ts of each entry and of what it refers to; the same again as .d.cts for `require`. */
function declarations(entries) {
  const emitted = join(dist, ".types");
  const tsc = join(here, "node_modules/typescript/bin/tsc");
  const { status } = spawnSync(process.execPath, [tsc, "--emitDeclarationOnly", "--outDir", emitted], { cwd: here, stdio: "inherit" });
  if (status !== 0) process.exit(1); // tsc has said why

  const wanted = entries.map((entry) => join(emitted, `${entry}.d.ts`));
  for (const file of wanted) {
    const text = readFileSync(file, "utf8");
    for (const [, specifier] of text.matchAll(/(?:from|import\()\s*"(\.[^"]+)"/g)) {
      const target = join(dirname(file), specifier.replace(/\.js$/, ".d.ts"));
      if (relative(emitted, target).startsWith("..")) {
        throw new Error(`${relative(emitted, file)} shows ${specifier}, which is not part of the package`);
      }
      if (!wanted.includes(target)) wanted.push(target);
    }
    const path = join(dist, relative(emitted, file));
    mkdirSync(dirname(path), { recursive: true });
    writeFileSync(path, text);
    writeFileSync(path.replace(/\.d\.ts$/, ".d.cts"), text.replace(/((?:from|import\()\s*"\.[^"]+)\.js"/g, '$1.cjs"'));
  }
  rmSync(emitted, { recursive: true });
}
