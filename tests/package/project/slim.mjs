import { use } from "./use.js";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as api from "durable-sessions/slim";

await api.load(await readFile(fileURLToPath(import.meta.resolve("durable-sessions/client.wasm"))));
console.log(JSON.stringify(use(api)));
