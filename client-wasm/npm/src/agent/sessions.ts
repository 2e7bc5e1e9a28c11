import { failure, type DurableSessionsError } from "../errors.js";
import { TranscriptBuilder } from "../transcript.js";
import type { App, LogEvent, Message, SessionStatus, Transcript } from "../types.js";
import type { AgentCore } from "./border.js";
import { Ledger } from "./core.js";
import type { RunObject } from "./run.js";

/** How long a session is kept in which nothing is at work: the next input often comes soon. */
const IDLE_SESSION_MS = 5 * 60 * 1000;
/** How many of those are kept. Beyond it the one that was left the longest ago goes. */
const IDLE_SESSIONS_MAX = 64;

/** The sessions that a connection follows. */
export class Sessions<A extends App> {
  #raw: AgentCore;
  #producer: string;
  #sessions = new Map<string, AgentSession<A>>();
  // What waits for its end, the one that was left the longest ago first.
  #idle = new Map<string, ReturnType<typeof setTimeout>>();

  constructor(raw: AgentCore, producer: string) {
    this.#raw = raw;
    this.#producer = producer;
  }

  find(id: string): AgentSession<A> | undefined {
    return this.#sessions.get(id);
  }

  take(id: string): AgentSession<A> {
    this.#unidle(id);
    const known = this.#sessions.get(id);
    if (known) return known.hold();
    const session: AgentSession<A> = new AgentSession<A>(id, () => this.#left(session));
    this.#sessions.set(id, session);
    this.#raw({ type: "produce", session: id, producer: this.#producer });
    return session;
  }

  /** The server will not have it followed, or it was deleted. */
  ended(id: string, error: DurableSessionsError | null): void {
    this.#unidle(id);
    this.#sessions.get(id)?.close(error ?? failure("closed", "the session is closed"));
    this.#sessions.delete(id);
  }

  clear(): void {
    for (const id of [...this.#sessions.keys()]) this.ended(id, null);
  }

  #left(session: AgentSession<A>): void {
    const { id } = session;
    // One that ended while it was held may have been taken anew.
    if (this.#sessions.get(id) !== session) return;
    this.#idle.set(id, setTimeout(() => this.#leave(id), IDLE_SESSION_MS));
    const [oldest] = this.#idle.keys();
    if (this.#idle.size > IDLE_SESSIONS_MAX) this.#leave(oldest!);
  }

  #leave(id: string): void {
    this.#raw({ type: "detach", session: id });
    this.ended(id, null);
  }

  #unidle(id: string): void {
    clearTimeout(this.#idle.get(id));
    this.#idle.delete(id);
  }
}

/** A session with runs of this process. */
export class AgentSession<A extends App> {
  readonly id: string;
  /** The runs at work, which are told what concerns them. */
  readonly runs = new Map<string, RunObject<A>>();
  /** What they have asked, delegated and been told. */
  ledger = new Ledger();
  #onLeft: () => void;
  #holders = 1;
  #transcript = new TranscriptBuilder<A>();
  // Each looks whether what it waits for is here; given an error, it will not come.
  #waits = new Set<(error?: DurableSessionsError) => void>();
  #end: DurableSessionsError | undefined;
  #status: SessionStatus = "loading";
  #room: { promise: Promise<void>; resolve: () => void } | undefined;

  constructor(id: string, onLeft: () => void) {
    this.id = id;
    this.#onLeft = onLeft;
  }

  hold(): this {
    this.#holders++;
    return this;
  }

  release(): void {
    if (--this.#holders === 0) this.#onLeft();
  }

  transcript(): Transcript<A> {
    return this.#transcript.view();
  }

  /** A message of the transcript, as soon as it has it; `null`: a later message stands in its place. */
  message(id: string, timeoutMs: number): Promise<Message<A> | null> {
    return this.#until(() => {
      const { hidden } = this.#transcript;
      return hidden.has(id) ? null : this.transcript().messages.find((message) => message.id === id);
    }, timeoutMs);
  }

  /** Resolves once all is read that there is, through any number of connections. */
  live(): Promise<unknown> {
    return this.#until(() => this.#status === "live" || undefined);
  }

  #until<T>(find: () => T | undefined, timeoutMs?: number): Promise<T> {
    return new Promise((resolve, reject) => {
      const settle = (end: () => void) => {
        clearTimeout(timer);
        this.#waits.delete(wait);
        end();
      };
      const wait = (error?: DurableSessionsError) => {
        const found = find();
        if (found !== undefined) settle(() => resolve(found));
        else if (error) settle(() => reject(error));
      };
      const late = () => wait(failure("not_found", "what the input is about did not come"));
      const timer = timeoutMs === undefined ? undefined : setTimeout(late, timeoutMs);
      this.#waits.add(wait);
      wait(this.#end);
    });
  }

  /** Resolves when the outbox takes more; nothing while it does. */
  get room(): Promise<void> | undefined {
    return this.#room?.promise;
  }

  // ---- What the connection tells ----

  setRoom(hasRoom: boolean): void {
    this.#room?.resolve();
    this.#room = undefined;
    if (hasRoom) return;
    let resolve!: () => void;
    const promise = new Promise<void>((yes) => (resolve = yes));
    this.#room = { promise, resolve };
  }

  status(status: SessionStatus): void {
    this.#status = status;
    this.#wake();
  }

  reset(log: string): void {
    this.#transcript.reset(log);
    this.ledger.free();
    this.ledger = new Ledger();
  }

  patches(log: string, offset: number, told: unknown[], at: number): void {
    this.#transcript.apply(log, offset, told, at);
    this.#wake();
  }

  heard(events: LogEvent[]): void {
    this.ledger.apply(events);
    for (const run of [...this.runs.values()]) run.look();
  }

  close(error: DurableSessionsError): void {
    this.#end = error;
    this.setRoom(true);
    this.#wake(error);
  }

  #wake(error?: DurableSessionsError): void {
    for (const wait of [...this.#waits]) wait(error);
  }
}
