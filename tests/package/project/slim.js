import { use } from "./use.js";
import * as api from "./node_modules/durable-sessions/dist/slim.js";

await api.load(new URL("./node_modules/durable-sessions/dist/client.wasm", import.meta.url));
globalThis.result = use(api);
