import { use } from "./use.js";
import * as api from "durable-sessions";

globalThis.result = await use(api);
