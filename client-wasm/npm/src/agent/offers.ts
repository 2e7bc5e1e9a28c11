// The agents that a client serves, as far as every page pays for it: the rest is loaded when there is one.
import type { DurableSessionsError } from "../errors.js";
import { call } from "../schedule.js";
import type { App, ClientStatus, ConnectOptions } from "../types.js";
import { agentModule } from "../wasm/inline.js";
import type { Agents } from "./agents.js";
import type { Handler, ServeOptions } from "./types.js";

/** Told how a connection for agents is. */
export type OnStatus = (status: ClientStatus, retryAt: number | null, error: DurableSessionsError | null) => void;

/** What the connections start with. */
export interface Setup {
  url: string;
  options: ConnectOptions;
  onStatus: OnStatus;
  module: WebAssembly.Module | undefined;
}

/** An agent that is served. */
export interface Offer<A extends App = App> {
  agent: string;
  handler: Handler<A>;
  options: ServeOptions;
}

/** Where a client serves its agents: on connections of their own. */
export class Offers<A extends App> {
  #url: string;
  #options: ConnectOptions;
  #onStatus: OnStatus;
  #agents: Promise<Agents<A>> | undefined;

  constructor(url: string, options: ConnectOptions, onStatus: OnStatus) {
    this.#url = url;
    this.#options = options;
    this.#onStatus = onStatus;
  }

  add(offer: Offer<A>): Disposable {
    this.#agents ??= this.#load();
    this.tell((agents) => agents.add(offer));
    return { [Symbol.dispose]: () => this.tell((agents) => agents.remove(offer)) };
  }

  /** Once the code is here, in the order of the calls; nothing when nobody is served. */
  tell(act: (agents: Agents<A>) => void): void {
    void this.#agents?.then((agents) => call(act, agents), () => {});
  }

  async #load(): Promise<Agents<A>> {
    try {
      const { Agents } = await import("../agent.js");
      return new Agents<A>({ url: this.#url, options: this.#options, onStatus: this.#onStatus, module: agentModule() });
    } catch (error) {
      // Who serves next tries again.
      this.#agents = undefined;
      call(() => {
        throw error;
      });
      throw error;
    }
  }
}
