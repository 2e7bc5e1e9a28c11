import type { App, LogEvent, Message, Part } from "../types.js";
import type { AgentSession } from "./sessions.js";

type Step<T> = IteratorResult<T, undefined>;

/** What people say to a run while it works, each once. The server bounds how many wait. */
export class Steers<A extends App> implements AsyncIterableIterator<Message<A>, undefined> {
  #home: AgentSession<A>;
  #run: string;
  #use: (id: string) => void;
  #waiting: ((step: Step<Message<A>>) => void)[] = [];
  #isOver = false;

  /** `use` is told the id of each that is to be taken: it is given out once the log says that it is used. */
  constructor(home: AgentSession<A>, run: string, use: (id: string) => void) {
    this.#home = home;
    this.#run = run;
    this.#use = use;
  }

  /** The log has more. */
  look(): void {
    while (this.#waiting.length > 0) {
      const next = this.#home.ledger.nextSteer(this.#run) as string | LogEvent | undefined;
      if (next === undefined) return;
      if (typeof next === "string") this.#use(next);
      else this.#waiting.shift()!({ done: false, value: messageOf<A>(next) });
    }
  }

  /** No more come. */
  end(): void {
    this.#isOver = true;
    for (const asked of this.#waiting.splice(0)) asked({ done: true, value: undefined });
  }

  next(): Promise<Step<Message<A>>> {
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.look();
    });
  }

  // Who breaks out of a loop may begin another one.
  return(): Promise<Step<Message<A>>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }
}

function messageOf<A extends App>(steer: LogEvent): Message<A> {
  type Fields = { id: string; run: string; text?: string; parts?: Part[]; data?: A["message"] };
  const { id, run, from, at, text, parts, data } = steer as LogEvent & Fields;
  const all: Part[] = text !== undefined ? [{ type: "text", text }] : (parts ?? []);
  const joined = all.filter((part) => part?.type === "text").map((part) => part.text ?? "").join("");
  return { id, role: "user", from, at, text: joined, parts: all, run, state: "completed", ...(data !== undefined && { data }) };
}
