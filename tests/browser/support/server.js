// The server of one test, with its log in a temporary folder, and what it says over HTTP.

import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Program, www } from "./program.js";

export class Server {
  #data;
  #program;
  #address = "127.0.0.1:0";
  #words;

  /** Starts one on a free port. `words` are further arguments. */
  static async start(words = []) {
    const server = new Server();
    server.#words = words;
    server.#data = await mkdtemp(join(tmpdir(), "durable-sessions-browser-"));
    await server.restart();
    return server;
  }

  get url() {
    return `http://${this.#address}`;
  }

  get port() {
    return Number(this.#address.split(":")[1]);
  }

  get stderr() {
    return this.#program.stderr;
  }

  /** Starts it again with its log, on the port that it had. */
  async restart() {
    const words = ["serve", "--listen", this.#address, "--data", this.#data, "--www", www, ...this.#words];
    this.#program = await Program.start("durable-sessions", words);
    this.#address = this.#program.line.replace("listening on http://", "");
  }

  kill() {
    return this.#program.kill();
  }

  async end() {
    await this.#program.end();
    await rm(this.#data, { recursive: true, force: true });
  }

  /** The whole log of a session, as it is stored. */
  async events(session) {
    const events = [];
    let offset = "-1";
    for (;;) {
      const response = await this.#get(`/v1/sessions/${session}/events?offset=${offset}`);
      if (response === null) return events;
      events.push(...(await response.json()));
      if (response.headers.has("stream-up-to-date")) return events;
      offset = response.headers.get("stream-next-offset");
    }
  }

  /** The transcript that the server folds; `null` while there is no such session. */
  async transcript(session) {
    const response = await this.#get(`/v1/sessions/${session}/transcript`);
    return response && response.json();
  }

  /** Appends an event, or several as one, and says how that was answered. */
  async append(session, as, events) {
    const response = await fetch(`${this.url}/v1/sessions/${session}/events`, {
      method: "POST",
      headers: { "Content-Type": "application/json", "Session-As": as },
      body: JSON.stringify(events),
    });
    if (!response.ok) throw new Error(`${response.status}: ${await response.text()}`);
  }

  async #get(path) {
    const response = await fetch(`${this.url}${path}`);
    if (response.status === 404) return null;
    if (!response.ok) throw new Error(`GET ${path}: ${response.status} ${await response.text()}`);
    return response;
  }
}
