// The server itself, as a process: DURABLE_SESSIONS_BIN, or what `cargo build` makes.
import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const program = process.env.DURABLE_SESSIONS_BIN ?? join(import.meta.dirname, "../../../target/debug/durable-sessions");

/** Starts a server whose log is in memory, on a free port, until the test is over. */
export async function server(t) {
  const child = spawn(program, ["serve", "--listen", "127.0.0.1:0", "--store", "memory"], { stdio: ["ignore", "pipe", "inherit"] });
  t.after(async () => {
    if (child.exitCode !== null) return;
    child.kill("SIGKILL");
    await once(child, "exit");
  });
  const [line] = await Promise.race([
    once(createInterface({ input: child.stdout }), "line"),
    once(child, "error").then(([error]) => Promise.reject(error)),
    once(child, "exit").then(() => Promise.reject(new Error("the server ended before it served"))),
  ]);
  const url = line.replace("listening on ", "");
  return {
    url,
    /** Stands still, as a machine that is too slow, until it goes on. */
    halt: () => child.kill("SIGSTOP"),
    goOn: () => child.kill("SIGCONT"),
    /** All events of a session as they are stored. */
    async events(session) {
      const response = await fetch(`${url}/v1/sessions/${session}/events?offset=-1`);
      return response.ok ? response.json() : [];
    },
  };
}
