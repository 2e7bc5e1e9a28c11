import { use } from "./use.js";
import * as api from "./node_modules/durable-sessions/dist/index.js";

globalThis.result = await use(api);
