// The package under test, as it was built: `cargo xtask package`, or DURABLE_SESSIONS_PACKAGE=DIR.
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const directory =
  process.env.DURABLE_SESSIONS_PACKAGE ?? join(import.meta.dirname, "../../../target/package/durable-sessions");

export const { connect, DurableSessionsError, RunFailure } = await import(pathToFileURL(join(directory, "dist/index.js")).href);
