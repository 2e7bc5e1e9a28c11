import { deferred } from "../deferred.js";
import { failure, type DurableSessionsError } from "../errors.js";
import { randomId } from "../id.js";
import type { App, Message, Part } from "../types.js";
import { Awaited } from "./awaited.js";
import type { Connection } from "./connection.js";
import type { AgentCommand } from "./border.js";
import { history, written } from "./history.js";
import type { AgentSession } from "./sessions.js";
import { Steers } from "./steers.js";
import { checkExpiry } from "./terms.js";
import type { AgentRun, AskOptions, Delegated, DelegatedInput, HistoryOptions, WriteOptions } from "./types.js";
import { conduct } from "./work.js";

/** Written beyond a full outbox by who does not await, in UTF-16 units of JSON. Beyond it: `outbox_full`. */
const UNAWAITED_MAX_CHARS = 4 * 1024 * 1024;

/** What a run is about. */
export interface Work<A extends App> {
  /** What a run works on that is taken over is read later; `null`: nobody would see an answer. */
  input: Message<A> | null | undefined;
  attempt: number;
  /** Of the runs below it, too. */
  leaseMs: number | undefined;
}

/** What a run begins with. */
export interface Started<A extends App> extends Work<A> {
  agent: string;
  inReplyTo: string | undefined;
  parent: string | undefined;
}

/** How a run ends by the word of its handler. */
export interface End {
  outcome: "completed" | "failed" | "stopped";
  /** The result, or the error. */
  json: string | undefined;
}

export class RunObject<A extends App> implements AgentRun<A> {
  readonly id: string;
  readonly attempt: number;
  isResumed = false;
  /** The session itself. @internal */
  readonly home: AgentSession<A>;
  #connection: Connection<A>;
  #input: Message<A> | null | undefined;
  #leaseMs: number | undefined;
  #abort = new AbortController();
  #started = deferred<void>();
  #ended = deferred<void>();
  #isGone = false;
  #isOver = false;
  // Why the last write was refused; all that follow say so.
  #refused: DurableSessionsError | undefined;
  // Of its answer: its id, the part that text goes to, and where the next one is.
  #message = randomId();
  #textPart: { place: number; type: string } | undefined;
  #parts = 0;
  #places = new Map<string | number, number>();
  #unawaited = 0;
  #awaited: Awaited<A>;
  #steers: Steers<A>;

  constructor(connection: Connection<A>, home: AgentSession<A>, id: string, { input, attempt, leaseMs }: Work<A>) {
    this.#connection = connection;
    this.home = home;
    this.id = id;
    this.#input = input;
    this.attempt = attempt;
    this.#leaseMs = leaseMs;
    this.#awaited = new Awaited(home, id);
    this.#steers = new Steers<A>(home, id, (steer) => void this.#event({ kind: "input.state", id: steer, state: "used" }));
  }

  get input(): Message<A> {
    return this.#input!;
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
    const messages = history(this.home, this.id, this.input);
    return last === undefined ? messages : messages.slice(Math.max(0, messages.length - last));
  }

  write(text: string, { type = "text" }: WriteOptions = {}): Promise<void> {
    if (this.#textPart?.type !== type) this.#textPart = { place: this.#parts++, type };
    const { place: part } = this.#textPart;
    const { id: run, session } = this;
    return this.#hand({ type: "append", session, run, message: this.#message, part, partType: type, text: String(text) }, text.length);
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

  child<T>(agent: string, work: (child: AgentRun<A>) => T | Promise<T>): Promise<T> {
    return unheard(this.#child(agent, work));
  }

  delegate(agent: string, input: string | DelegatedInput<A>): Promise<Delegated> {
    return unheard(this.#delegate(agent, input));
  }

  ask(body: unknown, options: AskOptions = {}): Promise<A["answer"]> {
    return unheard(this.#ask(body, options));
  }

  // ---- What the connection tells ----

  /** Resolves when its start is in the log. @internal */
  get started(): Promise<void> {
    return this.#started.promise;
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
    this.ended();
  }

  /** @internal */
  ended(): void {
    this.#connection.forget(this);
    this.#ended.resolve();
  }

  /** @internal */
  writeRefused(reason: DurableSessionsError): void {
    this.#refused = reason;
    // What the log does not have may never be answered.
    this.#awaited.end(reason);
  }

  /** The log has more. @internal */
  look(): void {
    // A stop that is read counts before what it decided beside; the word of it follows.
    if (this.home.ledger.isStopped(this.id)) return;
    this.#awaited.look();
    this.#steers.look();
  }

  // ---- What the work needs ----

  /** It was another process's: what is written now goes on behind what that wrote. @internal */
  resume(input: Message<A>): void {
    this.#input = input;
    this.isResumed = true;
    const answer = written(this.home, this.id).at(-1);
    if (!answer) return;
    this.#message = answer.id;
    this.#parts = answer.parts.length;
  }

  /**
   * Ends it, unless it is gone. After a stop it ends `stopped`, and if a write was refused `failed`, whatever
   * is said here. Rejects with why a write was refused. @internal
   */
  async end(end: End): Promise<void> {
    this.#isOver = true;
    this.#steers.end();
    this.#awaited.end(failure("run_ended", "the run's handler has returned"));
    if (!this.#isGone) this.#connection.command({ type: "end_run", session: this.session, run: this.id, ...end });
    await this.#ended.promise;
    if (end.outcome === "completed" && this.#refused) throw this.#refused;
  }

  // ---- Details ----

  #cancel(reason: DurableSessionsError): void {
    this.#abort.abort(reason);
    this.#steers.end();
    this.#awaited.end(reason);
  }

  #check(): void {
    this.#checkWritten();
    if (this.#isOver) throw failure("run_ended", "the run's handler has returned");
  }

  #checkWritten(): void {
    this.signal.throwIfAborted();
    if (this.#refused) throw this.#refused;
  }

  async #child<T>(agent: string, work: (child: AgentRun<A>) => T | Promise<T>): Promise<T> {
    this.#check();
    const { input, attempt } = this;
    const started = { agent, input, attempt, leaseMs: this.#leaseMs, inReplyTo: undefined, parent: this.id };
    const child = await this.#connection.start(this.home, started);
    return conduct(child, work);
  }

  async #delegate(agent: string, input: string | DelegatedInput<A>): Promise<Delegated> {
    this.#check();
    const { text, parts, data } = typeof input === "string" ? ({ text: input } as DelegatedInput<A>) : input;
    const message = { to: agent, text, parts, data };
    const { id, answer, isSaid } = this.#awaited.delegate(message);
    if (!isSaid) await this.#event({ kind: "message", id, role: "assistant", ...message });
    return answer;
  }

  async #ask(body: unknown, { expiresMs: expires_ms }: AskOptions): Promise<A["answer"]> {
    this.#check();
    if (body == null) throw failure("invalid", "what is asked is neither null nor undefined");
    checkExpiry(expires_ms);
    const { id, answer, isSaid } = this.#awaited.ask(body);
    if (!isSaid) await this.#event({ kind: "run.suspended", ask: id, body, expires_ms });
    return answer;
  }

  #event({ kind, ...fields }: { kind: string } & Record<string, unknown>): Promise<void> {
    // A steer's fate names no run.
    const named = kind === "input.state" ? undefined : this.id;
    let event: string;
    try {
      event = JSON.stringify({ kind, run: named, ...fields });
    } catch (error) {
      return Promise.reject(error);
    }
    return this.#hand({ type: "write", session: this.session, run: this.id, event }, event.length);
  }

  // Handed over at once, so that what is not awaited keeps its order too.
  #hand(command: AgentCommand, chars: number): Promise<void> {
    return unheard(this.#handOver(command, chars));
  }

  async #handOver(command: AgentCommand, chars: number): Promise<void> {
    this.#check();
    const { home } = this;
    if (home.room) {
      this.#unawaited += chars;
      if (this.#unawaited > UNAWAITED_MAX_CHARS) throw failure("outbox_full", "await what write() returns");
    }
    this.#connection.command(command);
    if (!home.room) return;
    while (home.room) await this.#unlessAborted(home.room);
    this.#unawaited = 0;
    this.#checkWritten();
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
    });
  }
}

/** Who does not await it learns of a stop by the signal, and by no unhandled rejection. */
function unheard<T>(promise: Promise<T>): Promise<T> {
  promise.catch(() => {});
  return promise;
}
