import { failure } from "../errors.js";
import type { App } from "../types.js";
import { Connection } from "./connection.js";
import type { Offer, Setup } from "./offers.js";
import { checkLease } from "./terms.js";

/** All that one client serves. Who writes under a name of its own has a connection of its own. */
export class Agents<A extends App> {
  #setup: Setup;
  #connections = new Map<string | undefined, Connection<A>>();
  #isClosed = false;

  constructor(setup: Setup) {
    this.#setup = setup;
  }

  /** Throws for what cannot be served. */
  add(offer: Offer<A>): void {
    const { agent, handler, options: { producer, concurrency = 1, leaseMs } } = offer;
    if (this.#isClosed) return;
    if (typeof handler !== "function") throw failure("invalid", "serve(agent, handler) needs a function");
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw failure("invalid", "concurrency is a whole number from 1 on");
    }
    checkLease(leaseMs);
    const { token, as } = this.#setup.options;
    if (!token && !as?.startsWith("agent/")) {
      throw failure("forbidden", 'an agent is served as an agent: connect(url, { as: "agent/ID" }), or with a token');
    }
    let connection = this.#connections.get(producer);
    if (!connection) {
      connection = new Connection<A>(this.#setup, producer, () => this.#connections.delete(producer));
      this.#connections.set(producer, connection);
    }
    if (!connection.add(offer)) throw failure("invalid", `not an agent's name, or its producer or sessions are none: ${agent}`);
  }

  /** No more input comes; what is at work goes on to its end. */
  remove(offer: Offer<A>): void {
    this.#connections.get(offer.options.producer)?.remove(offer);
  }

  reconnect(): void {
    for (const connection of this.#connections.values()) connection.reconnect();
  }

  /** At once: what is at work is given up, and offered again by the server. */
  close(): void {
    this.#isClosed = true;
    for (const connection of [...this.#connections.values()]) connection.close();
  }
}
