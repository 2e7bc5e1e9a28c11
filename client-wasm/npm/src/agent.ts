// What `serve` loads: see agent/offers.ts.
export { Agents } from "./agent/agents.js";
