import { start } from "./core.js";

/** The package's version, from a running core. */
export function version(): string {
  start();
  return "0.1.0";
}
