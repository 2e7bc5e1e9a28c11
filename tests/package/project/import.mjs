import { use } from "./use.js";
import * as api from "durable-sessions";

console.log(JSON.stringify(await use(api)));
