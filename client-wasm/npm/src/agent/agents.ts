import { failure } from "../errors.js";
import type { App, ConnectOptions } from "../types.js";
import { Connection } from "./connection.js";
import type { Offer } from "./offers.js";

/** All that one client serves. Who writes under a name of its own has a connection of its own. */
export class Agents<A extends App> {
  #url: string;
  #options: ConnectOptions;
  #module: WebAssembly.Module | undefined;
  #connections = new Map<string | undefined, Connection<A>>();

  constructor(url: string, options: ConnectOptions, module: WebAssembly.Module | undefined) {
    this.#url = url;
    this.#options = options;
    this.#module = module;
  }

  add(offer: Offer<A>): void {
    const { producer, agent } = offer;
    let connection = this.#connections.get(producer);
    if (!connection) {
      const setup = { url: this.#url, options: this.#options, module: this.#module, producer };
      connection = new Connection<A>(setup, () => this.#connections.delete(producer));
      this.#connections.set(producer, connection);
    }
    if (!connection.add(offer)) throw failure("invalid", `not to be served, by its name, sessions or producer: ${agent}`);
  }

  /** No more input comes; what is at work goes on to its end. */
  remove(offer: Offer<A>): void {
    this.#connections.get(offer.producer)?.remove(offer);
  }

  reconnect(): void {
    for (const connection of this.#connections.values()) connection.reconnect();
  }

  /** At once: what is at work is given up, and offered again by the server. */
  close(): void {
    for (const connection of [...this.#connections.values()]) connection.close();
  }
}
