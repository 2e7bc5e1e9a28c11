// The agents that a client serves, as far as every page pays for it: the rest is loaded when there is one.
import { failure } from "../errors.js";
import { call } from "../schedule.js";
import type { App, ConnectOptions } from "../types.js";
import { agentModule } from "../wasm/inline.js";
import type { Agents } from "./agents.js";
import type { Handler, ServeOptions } from "./types.js";

/** How many inputs of an agent a process works on at a time, if it does not say. */
const CONCURRENCY = 8;

/** An agent that is served. */
export interface Offer<A extends App = App> {
  agent: string;
  handler: Handler<A>;
  sessions: readonly string[];
  slots: number;
  producer: string | undefined;
}

/** Where a client serves its agents: on connections of their own. */
export class Offers<A extends App> {
  #url: string;
  #options: ConnectOptions;
  #agents: Promise<Agents<A> | undefined> | undefined;
  #isClosed = false;

  constructor(url: string, options: ConnectOptions) {
    this.#url = url;
    this.#options = options;
  }

  add(agent: string, handler: Handler<A>, { sessions = [], concurrency = CONCURRENCY, producer }: ServeOptions): Disposable {
    if (typeof handler !== "function") throw failure("invalid", "serve(agent, handler) needs a function");
    if (!Number.isSafeInteger(concurrency) || concurrency < 1) {
      throw failure("invalid", "concurrency is a whole number from 1 on");
    }
    const names = typeof sessions === "string" ? [sessions] : sessions;
    const offer = { agent, handler, sessions: names, slots: concurrency, producer };
    let isOver = false;
    this.#with((agents) => isOver || agents.add(offer));
    return {
      [Symbol.dispose]: () => {
        if (!isOver) this.#with((agents) => agents.remove(offer));
        isOver = true;
      },
    };
  }

  reconnect(): void {
    if (this.#agents) this.#with((agents) => agents.reconnect());
  }

  close(): void {
    this.#isClosed = true;
    if (this.#agents) this.#with((agents) => agents.close());
  }

  // In the order of the calls, once the code is here.
  #with(act: (agents: Agents<A>) => void): void {
    this.#agents ??= this.#load();
    void this.#agents.then((agents) => agents && call(act, agents));
  }

  async #load(): Promise<Agents<A> | undefined> {
    try {
      const { Agents } = await import("../agent.js");
      return this.#isClosed ? undefined : new Agents<A>(this.#url, this.#options, agentModule());
    } catch (error) {
      call(() => {
        throw error;
      });
      // The next one who serves tries again.
      this.#agents = undefined;
      return undefined;
    }
  }
}
