import { use } from "./use.js";
import { readFile } from "node:fs/promises";
import { fileURLToPath } from "node:url";
import * as api from "durable-sessions/slim";

const file = (name) => readFile(fileURLToPath(import.meta.resolve(`durable-sessions/${name}.wasm`)));
await api.load(await file("client"));
await api.loadAgent(await file("agent"));
console.log(JSON.stringify(await use(api)));
