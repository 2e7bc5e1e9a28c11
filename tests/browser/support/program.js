// A program as a process of its own, started until it says that it is ready, and killed.

import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { dirname, join } from "node:path";
import { createInterface } from "node:readline";

const START_TIMEOUT_MS = 15_000;
const END_TIMEOUT_MS = 10_000;

const root = join(import.meta.dirname, "../../..");
const server = process.env.DURABLE_SESSIONS_BIN ?? join(root, "target/debug/durable-sessions");

/** The folder that the server shows. */
export const www = process.env.DURABLE_SESSIONS_WWW ?? join(root, "target/browser/www");

/** The path of a program, which lies beside the server's. */
export function programPath(name) {
  const path = name === "durable-sessions" ? server : join(dirname(server), name);
  if (!existsSync(path)) throw new Error(`${path} is missing: cargo xtask test --only browser builds it`);
  return path;
}

export class Program {
  #child;
  #said = [];

  /** Starts it and waits for its first line on stdout. */
  static async start(name, words) {
    const program = new Program();
    program.name = name;
    // Only what the test says: nothing of this shell's.
    const env = Object.fromEntries(Object.entries(process.env).filter(([name]) => !/^(DURABLE|OPENAI)_/.test(name)));
    program.#child = spawn(programPath(name), words, { env, stdio: ["ignore", "pipe", "pipe"] });
    createInterface({ input: program.#child.stderr }).on("line", (line) => program.#said.push(line));
    const lines = createInterface({ input: program.#child.stdout });
    try {
      const signal = AbortSignal.timeout(START_TIMEOUT_MS);
      const first = once(lines, "line", { signal });
      const end = once(program.#child, "close", { signal }).then(() => Promise.reject(new Error("it ended")));
      [program.line] = await Promise.race([first, end]);
    } catch (error) {
      await program.kill();
      throw new Error(`${name} ${words.join(" ")}: ${error.message}\n${program.stderr}`);
    }
    return program;
  }

  get pid() {
    return this.#child.pid;
  }

  get isRunning() {
    return this.#child.exitCode === null && this.#child.signalCode === null;
  }

  get stderr() {
    return this.#said.join("\n");
  }

  /** `kill -9`, and waits until it is gone. */
  kill() {
    return this.#end("SIGKILL");
  }

  /** Asks it to end, and waits until it has. */
  async end() {
    const killed = setTimeout(() => this.#child.kill("SIGKILL"), END_TIMEOUT_MS);
    await this.#end("SIGTERM");
    clearTimeout(killed);
  }

  async #end(signal) {
    if (!this.isRunning) return;
    const gone = once(this.#child, "exit");
    this.#child.kill(signal);
    await gone;
  }
}
