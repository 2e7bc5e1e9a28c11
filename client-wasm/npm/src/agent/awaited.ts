import { deferred, type Deferred } from "../deferred.js";
import type { DurableSessionsError } from "../errors.js";
import type { App, LogEvent, Outcome } from "../types.js";
import type { AgentSession } from "./sessions.js";
import type { Delegated } from "./types.js";

interface Waiting<T> extends Deferred<T> {
  /** Whether the log has what it waits for the answer of. */
  isSaid: boolean;
}

interface Delegation extends Waiting<Delegated> {
  /** The run that works on it. */
  run: string | undefined;
}

/** What a run waits for the log to say: answers to what it asked, and the ends of what it delegated. */
export class Awaited {
  #home: AgentSession<App>;
  #run: string;
  #asks = new Map<string, Waiting<unknown>>();
  #delegations = new Map<string, Delegation>();

  constructor(home: AgentSession<any>, run: string) {
    this.#home = home;
    this.#run = run;
  }

  answer(ask: string): Promise<unknown> {
    const waiting = { ...deferred<unknown>(), isSaid: false };
    this.#asks.set(ask, waiting);
    return waiting.promise;
  }

  delegated(message: string): Promise<Delegated> {
    const waiting = { ...deferred<Delegated>(), isSaid: false, run: undefined };
    this.#delegations.set(message, waiting);
    return waiting.promise;
  }

  heard(event: LogEvent): void {
    const { kind, id, run, ask } = event as LogEvent & Record<"id" | "run" | "ask", string>;
    switch (kind) {
      case "run.suspended":
        return said(this.#asks.get(ask));
      case "run.resumed":
        if (run !== this.#run) return;
        this.#asks.get(ask)?.resolve(event["answer"]);
        return void this.#asks.delete(ask);
      case "message":
        return said(this.#delegations.get(id));
      case "run.started": {
        const delegation = this.#delegations.get(event["in_reply_to"] as string);
        if (delegation) delegation.run = run;
        return;
      }
      case "run.ended":
        return this.#ended(run, event["outcome"] as Outcome, event["data"]);
      case "input.state":
        return this.#decided(id, event["state"] as string);
      default:
    }
  }

  /** A write was refused: what the log does not have may never come. */
  refuse(reason: DurableSessionsError): void {
    for (const map of [this.#asks, this.#delegations]) {
      for (const [id, waiting] of map) {
        if (waiting.isSaid) continue;
        map.delete(id);
        waiting.reject(reason);
      }
    }
  }

  end(reason: DurableSessionsError): void {
    for (const { reject } of [...this.#asks.values(), ...this.#delegations.values()]) reject(reason);
    this.#asks.clear();
    this.#delegations.clear();
  }

  #ended(run: string, outcome: Outcome, data: unknown): void {
    for (const [message, delegation] of this.#delegations) {
      // A lost one is tried again, until the server says that it is not.
      if (delegation.run !== run || outcome === "lost") continue;
      this.#delegations.delete(message);
      const result: Delegated = { run, outcome, text: this.#textOf(run) };
      if (data !== undefined) result.data = data;
      delegation.resolve(result);
    }
  }

  #decided(message: string, state: string): void {
    const delegation = this.#delegations.get(message);
    if (!delegation || (state !== "expired" && state !== "stopped")) return;
    this.#delegations.delete(message);
    const { run } = delegation;
    const outcome = state === "stopped" ? "stopped" : "lost";
    delegation.resolve({ ...(run !== undefined && { run }), outcome, text: run === undefined ? "" : this.#textOf(run) });
  }

  #textOf(run: string): string {
    const own = this.#home.transcript().messages.filter((message) => message.run === run && message.role === "assistant");
    return own.map((message) => message.text).join("");
  }
}

function said(waiting: { isSaid: boolean } | undefined): void {
  if (waiting) waiting.isSaid = true;
}
