import { use } from "./use.js";
import * as api from "./node_modules/durable-sessions/dist/slim.js";

const file = (name) => new URL(`./node_modules/durable-sessions/dist/${name}.wasm`, import.meta.url);
await api.load(file("client"));
await api.loadAgent(file("agent"));
globalThis.result = await use(api);
