import { deferred } from "../deferred.js";
import { failure, type DurableSessionsError } from "../errors.js";
import { randomId } from "../id.js";
import type { App, LogEvent, Message, Part } from "../types.js";
import { Awaited } from "./awaited.js";
import type { Connection } from "./connection.js";
import { history } from "./history.js";
import type { AgentSession } from "./sessions.js";
import { Steers } from "./steers.js";
import type { AgentRun, Delegated, DelegatedInput, HistoryOptions, WriteOptions } from "./types.js";
import { conduct } from "./work.js";

/** Written beyond a full outbox by who does not await, in UTF-16 units of JSON. Beyond it: `outbox_full`. */
const UNAWAITED_MAX_CHARS = 4 * 1024 * 1024;

/** What a run begins with. */
export interface Started<A extends App> {
  agent: string;
  input: Message<A>;
  attempt: number;
  inReplyTo: string | undefined;
  parent: string | undefined;
}

export class RunObject<A extends App> implements AgentRun<A> {
  readonly id = randomId();
  readonly input: Message<A>;
  readonly attempt: number;
  /** The session itself. @internal */
  readonly home: AgentSession<A>;
  #connection: Connection<A>;
  #abort = new AbortController();
  #started = deferred<void>();
  #ended = deferred<void>();
  #isGone = false;
  // Why the last write was refused; the next one says so.
  #refused: DurableSessionsError | undefined;
  // Of its answer: its id, the part that text goes to, and where the next one is.
  #message = randomId();
  #textPart: { place: number; type: string } | undefined;
  #parts = 0;
  #places = new Map<string | number, number>();
  #unawaited = 0;
  #awaited: Awaited;
  #steers: Steers<A>;

  constructor(connection: Connection<A>, home: AgentSession<A>, { input, attempt }: Started<A>) {
    this.#connection = connection;
    this.home = home;
    this.input = input;
    this.attempt = attempt;
    this.#awaited = new Awaited(home, this.id);
    this.#steers = new Steers<A>(this.id, (id) => void this.#event({ kind: "input.state", id, state: "used" }).catch(() => {}));
  }

  get session(): string {
    return this.home.id;
  }

  get signal(): AbortSignal {
    return this.#abort.signal;
  }

  get steers(): AsyncIterable<Message<A>> {
    return this.#steers;
  }

  async history({ last }: HistoryOptions = {}): Promise<readonly Message<A>[]> {
    const messages = history(this.home.transcript(), this.input);
    return last === undefined ? messages : messages.slice(Math.max(0, messages.length - last));
  }

  write(text: string, { type = "text" }: WriteOptions = {}): Promise<void> {
    if (this.#textPart?.type !== type) this.#textPart = { place: this.#parts++, type };
    const { place: part } = this.#textPart;
    return this.#event({ kind: "delta", message: this.#message, part, type: type === "text" ? undefined : type, text });
  }

  part(value: Part, key?: string | number): Promise<void> {
    let part = key === undefined ? undefined : this.#places.get(key);
    if (part === undefined) {
      part = this.#parts++;
      // Text after it comes after it.
      this.#textPart = undefined;
    }
    if (key !== undefined) this.#places.set(key, part);
    return this.#event({ kind: "data", name: "part", message: this.#message, part, data: value });
  }

  async child<T>(agent: string, work: (child: AgentRun<A>) => T | Promise<T>): Promise<T> {
    this.#check();
    const { input, attempt } = this;
    const started = { agent, input, attempt, inReplyTo: undefined, parent: this.id };
    const child = await this.#connection.start(this.home, started);
    return conduct(this.#connection, child, work);
  }

  async delegate(agent: string, input: string | DelegatedInput<A>): Promise<Delegated> {
    const id = randomId();
    const { text, parts, data } = typeof input === "string" ? { text: input } as DelegatedInput<A> : input;
    const done = this.#awaited.delegated(id);
    await this.#event({ kind: "message", id, role: "assistant", to: agent, text, parts, data });
    return done;
  }

  async ask(body: unknown): Promise<A["answer"]> {
    const ask = randomId();
    const answer = this.#awaited.answer(ask);
    await this.#event({ kind: "run.suspended", ask, body });
    return answer;
  }

  // ---- What the connection tells ----

  /** Resolves when its start is in the log. @internal */
  get started(): Promise<void> {
    return this.#started.promise;
  }

  /** Resolves when its end is in the log, or it is gone. @internal */
  get isEnded(): Promise<void> {
    return this.#ended.promise;
  }

  /** Whether it is no run of this process any more. @internal */
  get isGone(): boolean {
    return this.#isGone;
  }

  /** @internal */
  begun(): void {
    this.#started.resolve();
  }

  /** A stop, or an end by someone else: it still has to be ended. @internal */
  stopped(): void {
    this.#cancel(failure("run_stopped", "the run was stopped"));
  }

  /** It could not start, or was lost to this process. @internal */
  gone(reason: DurableSessionsError): void {
    this.#isGone = true;
    this.#started.reject(reason);
    this.#cancel(reason);
    this.#ended.resolve();
    this.#connection.forget(this);
  }

  /** @internal */
  ended(): void {
    this.#ended.resolve();
  }

  /** @internal */
  writeRefused(reason: DurableSessionsError): void {
    this.#refused = reason;
    this.#awaited.refuse(reason);
  }

  /** Its handler is done. @internal */
  over(): void {
    this.#steers.end();
    this.#awaited.end(failure("run_ended", "the run's handler has returned"));
  }

  /** An event of the session. @internal */
  heard(event: LogEvent): void {
    this.#awaited.heard(event);
    if (event.kind === "steer" && event.run === this.id) this.#steers.push(event);
  }

  // ---- Details ----

  #cancel(reason: DurableSessionsError): void {
    this.#abort.abort(reason);
    this.#steers.end();
    this.#awaited.end(reason);
  }

  #check(): void {
    this.signal.throwIfAborted();
    if (this.#refused) throw this.#refused;
  }

  // Handed over at once, so that what is not awaited keeps its order too.
  #event(fields: { kind: string } & Record<string, unknown>): Promise<void> {
    const written = this.#write(fields);
    // Who does not await it learns of a stop by the signal.
    written.catch(() => {});
    return written;
  }

  async #write({ kind, ...fields }: { kind: string } & Record<string, unknown>): Promise<void> {
    this.#check();
    // A steer's fate names no run.
    const run = kind === "input.state" ? undefined : this.id;
    const event = JSON.stringify({ kind, run, ...fields });
    const { home } = this;
    if (home.room) {
      this.#unawaited += event.length;
      if (this.#unawaited > UNAWAITED_MAX_CHARS) throw failure("outbox_full", "await what write() returns");
    }
    this.#connection.command({ type: "write", session: home.id, run: this.id, event });
    while (home.room) await this.#unlessAborted(home.room);
    this.#unawaited = 0;
    this.#check();
  }

  #unlessAborted(room: Promise<void>): Promise<void> {
    return new Promise((resolve, reject) => {
      const { signal } = this;
      const abort = () => reject(signal.reason);
      signal.addEventListener("abort", abort, { once: true });
      void room.then(() => {
        signal.removeEventListener("abort", abort);
        resolve();
      });
      if (signal.aborted) abort();
    });
  }
}
