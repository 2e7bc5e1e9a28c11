// A module of the package's sources by itself.
import { build } from "esbuild";
import { join } from "node:path";

/** What `src/NAME.ts` exports. */
export async function module(name) {
  const entry = join(import.meta.dirname, `../src/${name}.ts`);
  const { outputFiles } = await build({ entryPoints: [entry], bundle: true, format: "esm", write: false, logLevel: "warning" });
  return import(`data:text/javascript;base64,${Buffer.from(outputFiles[0].contents).toString("base64")}`);
}
