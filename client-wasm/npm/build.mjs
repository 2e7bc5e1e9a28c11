// node build.mjs DIR [--no-types]: makes DIR the package, as it is published, out of src/ and ../pkg (the
// output of wasm-bindgen). `cargo xtask package` calls it; --no-types is for the demo, where nobody reads them.

import { build } from "esbuild";
import { spawnSync } from "node:child_process";
import { copyFileSync, mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { parseArgs } from "node:util";
import { textModule } from "./text.mjs";

const here = import.meta.dirname;
const modules = ["client.wasm", "agent.wasm"];

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
  ...entry("index", "esm", "js", "inline"),
  ...entry("index", "cjs", "cjs", "inline"),
  ...entry("workerd", "esm", "js", "workerd"),
  ...entry("slim", "esm", "js", "slim"),
  ...entry("slim", "cjs", "cjs", "slim"),
]);
for (const module of modules) copyFileSync(join(here, "../pkg", module), join(dist, module));
if (!values["no-types"]) declarations(["index", "slim"]);
for (const file of ["README.md", "../../LICENSE-MIT", "../../LICENSE-APACHE"]) {
  copyFileSync(join(here, file), join(directory, basename(file)));
}
manifest();

/** An entry, and the file that it imports once an agent is served. */
function entry(name, format, extension, source) {
  const agent = name === "index" ? "agent" : `agent.${name}`;
  const main = name === "workerd" ? "index" : name;
  return [
    bundle(`${main}.ts`, `${name}.${extension}`, format, source, `./${agent}.${extension}`),
    bundle("agent.ts", `${agent}.${extension}`, format, source),
  ];
}

/** One self-contained file. Not minified: the application's bundler does that, a debugger would not undo it. */
async function bundle(entry, name, format, source, agent) {
  await build({
    absWorkingDir: here,
    entryPoints: [join("src", entry)],
    outfile: join(dist, name),
    bundle: true,
    format,
    target: "es2022",
    charset: "utf8",
    logLevel: "warning",
    // What a CommonJS module imports has no names that Node or a bundler could be sure of.
    supported: { "dynamic-import": format === "esm" },
    plugins: [sources(source, agent)],
  });
}

/** Where the core comes from in this entry, and what an import of a wasm file or of the agents' file means. */
function sources(source, agent) {
  return {
    name: "sources",
    setup({ onResolve, onLoad }) {
      onResolve({ filter: /\/wasm\/inline\.js$/ }, ({ resolveDir, path }) => ({
        path: join(resolveDir, dirname(path), `${source}.ts`),
      }));
      onResolve({ filter: /^\.\.\/agent\.js$/ }, () => ({ path: agent, external: true }));
      onResolve({ filter: /\.wasm$/ }, ({ path }) => ({ path: `./${basename(path)}`, external: true }));
      onResolve({ filter: /\.wasm\?text$/ }, ({ path }) => ({ path: basename(path, "?text"), namespace: "text" }));
      onLoad({ filter: /.*/, namespace: "text" }, ({ path }) => ({
        contents: textModule(readFileSync(join(here, "../pkg", path))),
      }));
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
