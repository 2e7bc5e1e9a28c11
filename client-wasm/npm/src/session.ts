import type { Core } from "./border.js";
import { deferred } from "./deferred.js";
import { DurableSessionsError, failure } from "./errors.js";
import { randomId } from "./id.js";
import { BatchReader } from "./reader.js";
import { call, Subscribers } from "./schedule.js";
import { Older } from "./older.js";
import { draft } from "./pending.js";
import type { Port, Sent } from "./port.js";
import { TranscriptBuilder } from "./transcript.js";
import { Waits } from "./wait.js";
import type {
  Ack, App, Batch, DataName, DataOf, EventsOptions, LogEvent, Member, MessageInput, Off, Outcome,
  Session, SessionChanges, SessionOptions, SessionStatus, SteerInput, StopReceipt, StopTarget, Transcript,
} from "./types.js";

/**
 * How long a session that nobody holds is kept. A component that is mounted anew takes it again in the same
 * turn, a view that is left and come back to within a moment.
 */
const DETACH_DELAY_MS = 1_000;
/** How many messages are loaded when nobody says. */
const OLDER_MESSAGES = 20;

/** What a person says: a message, or with a run a steer. */
interface Said<A extends App> {
  input: MessageInput<A>;
  run: string | undefined;
}

/** Something on its way. */
interface Act {
  body: string;
  /** Shows it before the log has it. */
  show: () => void;
  /** Gives it to the core; as an event if absent. `false`: the core cannot take it. */
  hand?: (raw: Core) => boolean;
}

interface Listeners {
  event: Set<(event: LogEvent) => void>;
  status: Set<(status: SessionStatus) => void>;
  presence: Set<(members: readonly Member[]) => void>;
  reset: Set<(log: string) => void>;
}

export class SessionObject<A extends App = App> implements Session<A> {
  readonly id: string;
  #port: Port;
  #status: SessionStatus = "loading";
  #error: DurableSessionsError | null = null;
  #presence: readonly Member[] = [];
  // How many calls hold it, and what leaves it once none does.
  #holders = 1;
  #leaving: ReturnType<typeof setTimeout> | undefined;
  #ready = deferred<void>();
  #transcript = new TranscriptBuilder<A>();
  // What was sent and is not confirmed, to be sent again by its id alone.
  #said = new Map<string, Said<A>>();
  #subscribers = new Subscribers();
  #listeners: Listeners = { event: new Set(), status: new Set(), presence: new Set(), reset: new Set() };
  #readers = new Map<number, BatchReader>();
  #lastReader = 0;
  #waits = new Waits();
  // What begins once its last messages are here; undefined when nothing waits for that.
  #begins: (() => void)[] | undefined;
  #older: Older<A>;

  constructor(port: Port, id: string) {
    this.#port = port;
    this.id = id;
    this.#older = new Older<A>({
      id,
      transcript: this.#transcript,
      waits: this.#waits,
      raw: () => port.raw(),
      read: (options) => port.read(id, options),
      follow: () => this.#follow(),
    });
  }

  get status(): SessionStatus {
    return this.#status;
  }

  get error(): DurableSessionsError | null {
    return this.#error;
  }

  get presence(): readonly Member[] {
    return this.#presence;
  }

  get ready(): Promise<void> {
    return this.#ready.promise;
  }

  transcript(): Transcript<A> {
    return this.#transcript.view();
  }

  subscribe(fn: () => void): Off {
    return this.#subscribers.add(fn);
  }

  send(input: string | MessageInput<A>): Promise<Ack> {
    return this.#say(input, undefined);
  }

  steer(run: string, input: string | SteerInput<A>): Promise<Ack> {
    return this.#say(input, run);
  }

  answer(ask: string, value: A["answer"]): Promise<Ack> {
    const run = this.#transcript.asker(ask);
    return this.#publish(randomId(), () => {
      if (run === undefined) throw failure("not_found", "no run of this transcript asks that");
      return { kind: "run.resumed", run, ask, answer: value };
    });
  }

  stop(target?: StopTarget): Promise<StopReceipt> {
    const id = randomId();
    return this.#act(id, () => {
      const { run, message, cascade }: { run?: string; message?: string; cascade?: boolean } = target ?? {};
      // A mistake must not stop everything.
      if (target !== undefined && !run && !message) throw failure("invalid", "a stop names a run or a message");
      return {
        body: "",
        show: () => this.#transcript.stopping(id, target),
        hand: (raw) => raw({ type: "stop", session: this.id, id, run, message, only: cascade === false }),
      };
    }, ({ offset, runs }) => ({ id, offset, ended: (signal) => this.#ended(runs, signal) }));
  }

  publish<K extends DataName<A>>(name: K, data: DataOf<A, K>): Promise<Ack> {
    const id = randomId();
    return this.#publish(id, () => ({ kind: "data", id, name, data }));
  }

  update({ title, data }: SessionChanges): Promise<Ack> {
    const id = randomId();
    return this.#publish(id, () => ({ kind: "session.updated", id, title, data }));
  }

  discard(id: string): void {
    if (!this.#transcript.discard(id)) return;
    this.#said.delete(id);
    this.#subscribers.changed();
  }

  async loadOlder(n = OLDER_MESSAGES): Promise<void> {
    await this.#ready.promise;
    return this.#older.load(n);
  }

  events(options: EventsOptions = {}): AsyncIterable<Batch> {
    const { after, merge = true, signal } = options;
    if (this.#status === "closed") throw failure("closed", "the session is closed");
    const raw = this.#port.raw();
    const session = this.id;
    const reader = ++this.#lastReader;
    const read = (after?: number) => raw({ type: "read", session, reader, after, merge });
    const begin = () => {
      if (read(after ?? this.#transcript.offset)) return;
      const error = failure("invalid", "an offset is a whole number from 0 on");
      batches.end(error);
      return error;
    };
    const batches = new BatchReader(read, () => {
      this.#readers.delete(reader);
      raw({ type: "read_end", session, reader });
    }, signal);
    this.#readers.set(reader, batches);
    if (signal?.aborted) batches.end(signal.reason);
    else if (this.#begins) this.#begins.push(begin);
    else {
      const error = begin();
      if (error) throw error;
    }
    return batches;
  }

  on(name: "event", fn: (event: LogEvent) => void): Off;
  on(name: "status", fn: (status: SessionStatus) => void): Off;
  on(name: "presence", fn: (members: readonly Member[]) => void): Off;
  on(name: "reset", fn: (log: string) => void): Off;
  on(name: keyof Listeners, fn: (value: never) => void): Off {
    const listeners = this.#listeners[name] as Set<(value: never) => void> | undefined;
    if (!listeners) throw failure("not_supported", `a session has no "${String(name)}" events`);
    // Wrapped, so that one function registered twice is called twice.
    const listener = (value: never) => fn(value);
    listeners.add(listener);
    this.#follow();
    return () => {
      if (listeners.delete(listener)) this.#follow();
    };
  }

  detach(): void {
    if (this.#holders === 0 || --this.#holders > 0) return;
    this.#leaving = setTimeout(() => {
      this.#port.detach(this.id);
      this.closed(null);
    }, DETACH_DELAY_MS);
  }

  [Symbol.dispose](): void {
    this.detach();
  }

  // ---- What the client does with it ----

  /** Somebody takes it, once more. @internal */
  hold(): this {
    this.#holders++;
    clearTimeout(this.#leaving);
    return this;
  }

  /** Follows it; `false`: that cannot be. @internal */
  open({ last, snapshot }: SessionOptions<A>): boolean {
    if (last === undefined || snapshot) return this.#attach(snapshot);
    this.#begins = [];
    void this.#openLast(last);
    return true;
  }

  /** An act of another page is on its way again: it is shown. @internal */
  restored(id: string, event: string): void {
    const { kind, run, text, parts, data, to, if_running: ifRunning, replaces, ...stop } = JSON.parse(event);
    if (kind === "message") this.#saying(id, { input: { text, parts, data, to, ifRunning, replaces }, run: undefined });
    if (kind === "steer") this.#saying(id, { input: { text, parts, data }, run });
    if (kind === "stop.requested") {
      this.#transcript.stopping(id, stop.all ? undefined : { ...stop, ...(run && { run }) }, Infinity);
      this.#subscribers.changed();
    }
  }

  /** @internal */
  statusChanged(status: SessionStatus, error: DurableSessionsError | null): void {
    if (status === "closed") return this.closed(error);
    this.#error = error;
    if (status === "live") this.#ready.resolve();
    this.#setStatus(status);
  }

  /** The end: told by the core with a reason, or by the app. @internal */
  closed(error: DurableSessionsError | null): void {
    if (this.#status === "closed") return;
    this.#error = error;
    this.#holders = 0;
    clearTimeout(this.#leaving);
    this.#older.close();
    this.#port.forget(this.id);
    const reason = error ?? failure("closed", "the session is closed");
    this.#ready.reject(reason);
    this.#setStatus("closed");
    for (const reader of [...this.#readers.values()]) reader.end(error ?? undefined);
    this.#waits.wake(reason);
  }

  /** @internal */
  reset(log: string): void {
    const isOther = this.#transcript.log !== null;
    this.#transcript.reset(log);
    this.#subscribers.changed();
    if (!isOther) return;
    const error = failure("log_changed", "the session has another log");
    for (const reader of [...this.#readers.values()]) reader.end(error);
    this.#waits.wake(error);
    for (const fn of [...this.#listeners.reset]) call(fn, log);
  }

  /** @internal */
  patches(log: string, offset: number, told: unknown[], at: number): void {
    this.#transcript.apply(log, offset, told, at);
    this.#subscribers.changed();
    this.#waits.wake();
  }

  /** @internal */
  heard(events: LogEvent[]): void {
    this.#older.heard(events);
    for (const event of events) for (const fn of [...this.#listeners.event]) call(fn, event);
  }

  /** @internal */
  batch(reader: number, batch: Batch): void {
    this.#readers.get(reader)?.push(batch);
  }

  /** @internal */
  presenceChanged(members: readonly Member[]): void {
    this.#presence = members;
    this.#subscribers.changed();
    for (const fn of [...this.#listeners.presence]) call(fn, members);
  }

  // ---- Details ----

  #setStatus(status: SessionStatus): void {
    this.#status = status;
    this.#subscribers.changed();
    for (const fn of [...this.#listeners.status]) call(fn, status);
  }

  // Events cross the border to JavaScript only while somebody listens.
  #follow(): void {
    if (this.#status !== "closed" && !this.#begins) this.#attach();
  }

  #attach(transcript?: Transcript<A>): boolean {
    const events = this.#listeners.event.size > 0 || this.#older.listens;
    if (!this.#port.raw()({ type: "attach", session: this.id, events, transcript })) return false;
    if (transcript) this.#transcript.load(transcript);
    return true;
  }

  async #openLast(last: number): Promise<void> {
    // What is refused for good is followed from its start: the connection says why, or does without.
    const snapshot = await this.#older.last(last);
    if (this.#status === "closed") return;
    const begins = this.#begins!;
    this.#begins = undefined;
    if (!this.#attach(snapshot)) return this.closed(failure("invalid", "no id of a session"));
    for (const begin of begins) begin();
    this.#subscribers.changed();
  }

  #say(input: string | MessageInput<A>, run: string | undefined): Promise<Ack> {
    const message: MessageInput<A> = typeof input === "string" ? { text: input } : input;
    const id = message.id ?? randomId();
    let said: Said<A> = { input: message, run };
    // An id alone says again what was refused.
    if (message.text === undefined && message.parts === undefined && message.data === undefined) {
      said = this.#said.get(id) ?? said;
    }
    const { text, parts, data, to, ifRunning: if_running, replaces } = said.input;
    const event = said.run === undefined
      ? { kind: "message", id, role: "user", text, parts, to, if_running, replaces, data }
      : { kind: "steer", id, run: said.run, text, parts, data };
    return this.#publish(id, () => event, () => this.#saying(id, said));
  }

  #saying(id: string, said: Said<A>): void {
    this.#said.set(id, said);
    this.#transcript.sending(draft<A>(id, said.input, this.#port.principal, said.run), said.input.replaces);
    this.#subscribers.changed();
  }

  #publish(id: string, event: () => object, show = () => {}): Promise<Ack> {
    return this.#act(id, () => ({ body: JSON.stringify(event()), show }), ({ offset }) => ({ id, offset }));
  }

  // Starts an act. Whoever awaits it is told how it ends; who does not sees it in the transcript.
  #act<T>(id: string, make: () => Act, answer: (sent: Sent) => T): Promise<T> {
    let act: Promise<Sent>;
    try {
      if (this.#status === "closed") throw failure("closed", "the session is closed");
      const { body, show, hand = (raw) => raw({ type: "send", session: this.id, id, event: body }) } = make();
      act = this.#port.act(this, id, body, show, hand);
    } catch (thrown) {
      const error = thrown instanceof DurableSessionsError ? thrown : failure("invalid", String(thrown));
      act = Promise.reject(error);
    }
    this.#subscribers.changed();
    const answered = act.then(answer);
    answered.catch(() => {});
    return answered;
  }

  /** An act is in the log. @internal */
  confirmed(id: string, offset: number): void {
    this.#said.delete(id);
    this.#transcript.confirmed(id, offset);
    this.#subscribers.changed();
  }

  /** An act was refused. @internal */
  refused(id: string, { code, detail }: DurableSessionsError): void {
    this.#transcript.refused(id, { code, detail });
    this.#subscribers.changed();
  }

  // Resolves when each of the runs has ended.
  #ended(runs: string[], signal?: AbortSignal): Promise<{ run: string; outcome: Outcome }[]> {
    return this.#waits.until(() => {
      const ends = runs.map((run) => ({ run, outcome: this.#transcript.outcome(run) }));
      return ends.every((end): end is { run: string; outcome: Outcome } => end.outcome !== undefined) ? ends : undefined;
    }, signal, this.#status === "closed" ? failure("closed", "the session is closed") : undefined);
  }
}
