import { deferred, type Deferred } from "../deferred.js";
import type { DurableSessionsError } from "../errors.js";
import { randomId } from "../id.js";
import type { App, LogEvent } from "../types.js";
import type { EndedErrand, Errand } from "./border.js";
import type { AgentSession } from "./sessions.js";
import type { Delegated } from "./types.js";

/** What is asked or delegated, of which the first two are JSON as it is written. */
interface Said<T> {
  id: string;
  /** Resolves when the log has the answer. */
  answer: Promise<T>;
  /** Whether an earlier process said it already. */
  isSaid: boolean;
}

/** What a run waits for the log to say: answers to what it asked, and the ends of what it delegated. */
export class Awaited<A extends App> {
  #home: AgentSession<A>;
  #run: string;
  #asks = new Map<string, Deferred<unknown>>();
  #errands = new Map<string, Deferred<Delegated>>();
  // Those of this process, so that the same words said twice are two.
  #known = new Set<string>();

  constructor(home: AgentSession<A>, run: string) {
    this.#home = home;
    this.#run = run;
  }

  /** Something is asked: what an earlier process asked in the same words is not asked again. */
  ask(body: unknown): Said<unknown> {
    const said = this.#home.ledger.asks(this.#run) as unknown[];
    const same = (at: number) => at % 2 === 0 && !this.#known.has(said[at] as string) && isSame(said[at + 1], body);
    const place = said.findIndex((_, at) => same(at));
    return this.#await(this.#asks, said[place] as string | undefined);
  }

  /** Something is delegated: likewise. */
  delegate(message: Record<string, unknown>): Said<Delegated> {
    const said = this.#home.ledger.errands(this.#run) as LogEvent[];
    const same = (event: LogEvent) =>
      !this.#known.has(event["id"] as string) && ["to", "text", "parts", "data"].every((name) => isSame(event[name], message[name]));
    return this.#await(this.#errands, said.find(same)?.["id"] as string | undefined);
  }

  /** The log has more. */
  look(): void {
    const { ledger } = this.#home;
    for (const [ask, { resolve }] of this.#asks) {
      const answer = ledger.answer(this.#run, ask) as [] | [unknown];
      if (answer.length === 0) continue;
      this.#asks.delete(ask);
      resolve(answer[0]);
    }
    for (const [message, { resolve }] of this.#errands) {
      const errand = ledger.errand(this.#run, message) as Errand;
      if (!isOver(errand)) continue;
      this.#errands.delete(message);
      resolve(this.#delegated(errand));
    }
  }

  /** Nothing more is waited for. */
  end(reason: DurableSessionsError): void {
    for (const { reject } of [...this.#asks.values(), ...this.#errands.values()]) reject(reason);
    this.#asks.clear();
    this.#errands.clear();
  }

  #await<T>(waiting: Map<string, Deferred<T>>, earlier: string | undefined): Said<T> {
    const id = earlier ?? randomId();
    const end = deferred<T>();
    this.#known.add(id);
    waiting.set(id, end);
    // The answer to what was said earlier may be there.
    this.look();
    return { id, answer: end.promise, isSaid: earlier !== undefined };
  }

  #delegated([outcome, run, data, ...given]: EndedErrand): Delegated {
    const isAnswer = (message: { id: string; role: string; run?: string }) =>
      run !== undefined && message.run === run && message.role === "assistant" && !given.includes(message.id);
    const { messages } = this.#home.transcript();
    const text = messages.filter(isAnswer).map((message) => message.text).join("");
    return { outcome, text, ...(run !== undefined && { run }), ...(data !== undefined && { data }) };
  }
}

function isOver(errand: Errand): errand is EndedErrand {
  return errand.length > 0;
}

// What was stored has its fields in the order in which they were written.
function isSame(stored: unknown, said: unknown): boolean {
  return JSON.stringify(stored) === JSON.stringify(said);
}
