// A session as its server has it, read while it grows.

export class Tail {
  /** What has been read: the event of offset n is `events[n - 1]`. */
  events = [];
  #url;
  #next = "-1";

  constructor(server, session) {
    this.#url = `${server.url}/v1/sessions/${session}/events`;
  }

  /** Reads on to the log's present end. */
  async read() {
    for (;;) {
      const response = await fetch(`${this.#url}?offset=${this.#next}`);
      if (!response.ok) throw new Error(`GET ${this.#url}: ${response.status} ${await response.text()}`);
      this.events.push(...(await response.json()));
      this.#next = response.headers.get("stream-next-offset");
      if (response.headers.has("stream-up-to-date")) return this.events;
    }
  }
}

/** How many WebSockets the server counts as open. */
export async function connections(server) {
  const response = await fetch(`${server.url}/metrics`);
  const [, count] = /^durable_sessions_connections (\d+)$/m.exec(await response.text());
  return Number(count);
}
