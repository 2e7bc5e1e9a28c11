import type { App, LogEvent, Message, Part } from "../types.js";

type Step<T> = IteratorResult<T, undefined>;

/** What people say to a run while it works, each once. The server bounds how many wait. */
export class Steers<A extends App> implements AsyncIterableIterator<Message<A>, undefined> {
  #run: string;
  #use: (id: string) => void;
  #known = new Set<string>();
  #messages: Message<A>[] = [];
  #waiting: ((step: Step<Message<A>>) => void)[] = [];
  #isOver = false;

  /** `use` is told the id of each that is given out. */
  constructor(run: string, use: (id: string) => void) {
    this.#run = run;
    this.#use = use;
  }

  push(event: LogEvent): void {
    const id = event["id"] as string;
    if (this.#isOver || this.#known.has(id)) return;
    this.#known.add(id);
    const message = messageOf<A>(this.#run, event);
    const asked = this.#waiting.shift();
    if (asked) asked(this.#given(message));
    else this.#messages.push(message);
  }

  /** No more come, and what waits is not given out. */
  end(): void {
    this.#isOver = true;
    this.#messages = [];
    for (const asked of this.#waiting.splice(0)) asked({ done: true, value: undefined });
  }

  next(): Promise<Step<Message<A>>> {
    const message = this.#messages.shift();
    if (message) return Promise.resolve(this.#given(message));
    if (this.#isOver) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve) => this.#waiting.push(resolve));
  }

  // Who breaks out of a loop may begin another one.
  return(): Promise<Step<Message<A>>> {
    return Promise.resolve({ done: true, value: undefined });
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  #given(message: Message<A>): Step<Message<A>> {
    this.#use(message.id);
    return { done: false, value: message };
  }
}

function messageOf<A extends App>(run: string, event: LogEvent): Message<A> {
  const { id, from, at, text, parts, data } = event as LogEvent & { id: string; text?: string; parts?: Part[]; data?: A["message"] };
  const all: Part[] = text !== undefined ? [{ type: "text", text }] : (parts ?? []);
  const joined = all.filter((part) => part?.type === "text").map((part) => part.text ?? "").join("");
  return { id, role: "user", from, at, text: joined, parts: all, run, state: "sent", ...(data !== undefined && { data }) };
}
