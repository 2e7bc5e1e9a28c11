// The public shapes. Names of the API are camelCase; raw events keep the names they have on the wire.
import type { Handler, ServeOptions } from "./agent/types.js";
import type { DurableSessionsError, ErrorCode } from "./errors.js";

/** The application's own types: what its messages and data events carry. */
export interface App {
  message?: unknown;
  data?: Record<string, unknown>;
  answer?: unknown;
}

/** Ends a subscription. Calling it twice is harmless. */
export type Off = () => void;

/** Options of {@link connect}; all are optional. */
export interface ConnectOptions {
  /**
   * Called before every connection attempt, and every read over HTTP. A throw is tried again, `null` means signed
   * out. The server of this version checks no tokens: it goes by {@link ConnectOptions.as}.
   */
  token?: () => Promise<string | null>;
  /**
   * Whether the tabs of a browser, as far as they connect with equal rights, share one connection.
   * That is the default; where the browser lacks what it takes, every tab has its own.
   */
  tabs?: "shared" | "solo";
  /**
   * Where every act (what is sent, stopped, said, answered or published) waits for its ack. `durable`, the default: in IndexedDB, where they outlive
   * their tab and are sent by any other tab or by the next page of the same principal.
   */
  outbox?: "durable" | "memory";
  /** `user/ID`, or `agent/ID` to serve agents, for a server without a key, which believes it. */
  as?: string;
  /** A constructor to use in place of the global `WebSocket`, such as that of the `ws` package. */
  WebSocket?: new (url: string, protocols: string) => unknown;
  /** Told, in words for a developer, what the connection does. */
  log?: (line: string) => void;
}

/** How the connection is. `waiting` and `offline` count down to {@link Client.retryAt}. */
export type ClientStatus = "connecting" | "live" | "waiting" | "offline" | "closed";

/** One connection to a server, for any number of sessions. */
export interface Client<A extends App = App> extends Disposable {
  readonly status: ClientStatus;
  /** `leader`: it holds the connection for all tabs; `follower`: it is connected through the leader. */
  readonly role: "leader" | "follower" | "solo";
  /** How many tabs share the connection, this one included. */
  readonly tabs: number;
  /** When the next attempt is due, ms since the epoch; `null` unless waiting. */
  readonly retryAt: number | null;
  /** Why the connection is closed or waits, if the reason is known. */
  readonly error: DurableSessionsError | null;
  /** Calls `fn` after a change of status, role, tabs, retryAt or error, at most once a frame. */
  subscribe(fn: () => void): Off;
  /**
   * Attaches to a session. The same id gives the same object until every call was followed by a
   * {@link Session.detach}.
   */
  session(id: string, options?: SessionOptions<A>): Session<A>;
  /**
   * Reads a transcript as it is now, over HTTP and without following it. Rejects with `not_found` where there
   * is none, and with `unavailable` when the server cannot be reached.
   */
  read(id: string, options?: ReadOptions): Promise<Transcript<A>>;
  /** Lists the sessions that this client may read, over HTTP. */
  sessions(options?: ListOptions): Promise<Listed>;
  /**
   * Works on the input of an agent, on a connection of its own, until it is disposed of: then no more input
   * comes, and what is at work goes on to its end. The code for it is loaded now, and by no other page.
   * The client has to connect as an agent, by its token or by `as: "agent/ID"`.
   */
  serve(agent: string, handler: Handler<A>, options?: ServeOptions): Disposable;
  /** Tries to connect at once. */
  reconnect(): void;
  /**
   * Closes the connection, its timers and listeners for good. No run is stopped. What a durable outbox
   * holds is sent by another tab or the next page; with `forget`, as at a sign-out, it is deleted.
   */
  close(options?: { forget?: boolean }): void;
}

/** Options of {@link Client.session}. They count for the call that opens the session. */
export interface SessionOptions<A extends App = App> {
  /**
   * Begin at the n-th last message, read over HTTP; {@link Session.loadOlder} goes back from there. Where
   * the server will not give them so, the session begins at its start.
   */
  last?: number;
  /**
   * Begin with what {@link Client.read} gave before, on a server perhaps: it is shown at once, and only
   * what came since is read.
   */
  snapshot?: Transcript<A>;
}

/** Options of {@link Client.read}. */
export interface ReadOptions {
  /** Only so many messages, the last ones. The default is all of them. */
  last?: number;
  /** Only messages that begin before this offset. */
  before?: number;
}

/** Options of {@link Client.sessions}. */
export interface ListOptions {
  /** Only those whose id begins so. */
  prefix?: string;
  /** Only those whose id comes after this one: the `next` of the page before. */
  after?: string;
  /** How many at most, from 1 to 1,000; 100 if absent. */
  limit?: number;
}

/** Sessions in the order of their ids. */
export interface Listed {
  readonly sessions: readonly {
    readonly id: string;
    readonly title?: string;
    /** The last offset of its log. */
    readonly tail: number;
    readonly log: string;
    /** When its last event was written, ms since the epoch. */
    readonly updatedAt: number;
  }[];
  /** Where the next page goes on; absent on the last one. */
  readonly next?: string;
}

/** `stale`: the transcript is what it was when the connection was cut. */
export type SessionStatus = "loading" | "live" | "stale" | "closed";

/** One session as this client sees it. */
export interface Session<A extends App = App> extends Disposable {
  readonly id: string;
  readonly status: SessionStatus;
  /** Why the session is closed or stale, if the reason is known. */
  readonly error: DurableSessionsError | null;
  /** Resolves once the transcript has caught up; rejects only when the session is closed before. */
  readonly ready: Promise<void>;
  /** The transcript as of now: immutable, and the same object until something changes. */
  transcript(): Transcript<A>;
  /** Calls `fn` after a change of transcript or status, at most once a frame. */
  subscribe(fn: () => void): Off;
  /**
   * Sends a message. It stands in the transcript before the call returns, as `sending`, and stays
   * there as `refused` if the server will not have it; sending that id again tries again.
   * Resolves once the message is durable.
   */
  send(input: string | MessageInput<A>): Promise<Ack>;
  /**
   * Stops a run and the runs below it, the run that answers a message or wrote it, or everything that
   * stands at or before this client's offset. A message that no run has taken yet is cancelled. What is
   * stopped is shown as `stopping` before the call returns. Resolves once the stop is durable.
   */
  stop(target?: StopTarget): Promise<StopReceipt>;
  /**
   * Says something to a run at work. It is shown as {@link Session.send} shows a message, with its `run`:
   * `sent` while the run has not taken it, then `completed` (taken), `lost` (the run ended before) or
   * `stopped`. Resolves once it is durable; `run_ended` and `run_stopped` refuse it.
   */
  steer(run: string, input: string | SteerInput<A>): Promise<Ack>;
  /**
   * Answers what a run of the transcript asks in its `asks`; see {@link Run}. Resolves once the answer is
   * durable. The first one counts: the same again by the same principal resolves as the first did, another
   * is `already_answered`.
   */
  answer(ask: string, value: A["answer"]): Promise<Ack>;
  /** Sets the session's title, or the app's own data about it, as listings show them; the last one wins. */
  update(changes: SessionChanges): Promise<Ack>;
  /** Appends a data event. Resolves once it is durable. */
  publish<K extends DataName<A>>(name: K, data: DataOf<A, K>): Promise<Ack>;
  /** Takes a refused message or steer out of the transcript. */
  discard(id: string): void;
  /**
   * Brings the transcript `n` messages further back, 20 if absent; resolves when they are in it, once
   * {@link Session.ready} if `hasOlder` is false. Rejects with what {@link Client.read} rejects with; it may be called again then.
   */
  loadOlder(n?: number): Promise<void>;
  /** Who is attached to the session, this client included; empty until the server has told it. */
  readonly presence: readonly Member[];
  /** The batches of the log, from a cursor of their own: whoever reads slowly holds up nobody. */
  events(options?: EventsOptions): AsyncIterable<Batch>;
  /** Calls `fn` with each event as it arrives, with deltas joined where the server joined them. */
  on(name: "event", fn: (event: LogEvent) => void): Off;
  /** Calls `fn` with each change of status. */
  on(name: "status", fn: (status: SessionStatus) => void): Off;
  /** Calls `fn` with each change of who is attached. */
  on(name: "presence", fn: (members: readonly Member[]) => void): Off;
  /** Calls `fn` when the log was replaced by another and the transcript starts over. */
  on(name: "reset", fn: (log: string) => void): Off;
  /**
   * Undoes one {@link Client.session}. The last one leaves the session, a second later: who takes it
   * again before, as a component that is mounted anew, has it as it was. What was sent is still
   * delivered; no run is stopped.
   */
  detach(): void;
}

/** The names of the app's data events. */
export type DataName<A extends App> = A["data"] extends Record<string, unknown>
  ? keyof A["data"] & string
  : string;

/** What the app's data event of a name carries. */
export type DataOf<A extends App, K> = A["data"] extends Record<string, unknown>
  ? K extends keyof A["data"] ? A["data"][K] : never
  : unknown;

/** A message to send. Either `text` or `parts`. */
export interface MessageInput<A extends App = App> {
  /** Made if absent. The id of a refused message, alone, sends that message again. */
  id?: string;
  text?: string;
  parts?: Part[];
  /** The app's own JSON. */
  data?: A["message"];
  /** The agent it is for; `null` makes it a note that wakes nobody. */
  to?: string | null;
  /**
   * What happens while the agent has an open run that works for no other run: the message waits its turn
   * (`queue`, the default), is worked on beside it (`parallel`), stops it first (`interrupt`), or is refused
   * as `busy` (`reject`).
   */
  ifRunning?: "queue" | "parallel" | "interrupt" | "reject";
  /**
   * A message that this one replaces, with all after it: they leave the transcript at once, and come back if
   * this one is refused. To regenerate an answer, replace the message it answers by one with the same words.
   */
  replaces?: string;
}

/** What is said to a run at work. Either `text` or `parts`. */
export type SteerInput<A extends App = App> = Pick<MessageInput<A>, "id" | "text" | "parts" | "data">;

/** What {@link Session.update} sets. */
export interface SessionChanges {
  title?: string;
  data?: unknown;
}

/** What is stopped. `cascade: false` leaves the runs below a run alone. */
export type StopTarget = { run: string; cascade?: boolean } | { message: string };

/** Where something that was sent stands in the log. */
export interface Ack {
  id: string;
  offset: number;
}

/** A durable stop. Nothing the stopped runs do is in the log after `offset`, but their end. */
export interface StopReceipt extends Ack {
  /**
   * Resolves when every run the stop fenced has ended, on any tab and through any cut; rejects when this
   * session is closed before, or its log is replaced.
   */
  ended(signal?: AbortSignal): Promise<{ run: string; outcome: Outcome }[]>;
}

/** How a run ended. */
export type Outcome = "completed" | "failed" | "stopped" | "lost";

/** Options of {@link Session.events}. */
export interface EventsOptions {
  /** Begin after this offset; 0 is the start. The default is the transcript's present offset. */
  after?: number;
  /** Whether deltas may come joined, as `true`, the default, allows; else each event comes as it is stored. */
  merge?: boolean;
  /** Ends the iteration, which then throws the reason of the signal. */
  signal?: AbortSignal;
}

/** Events that move a reader from the offset `first - 1` to `last` as one step. */
export interface Batch {
  first: number;
  last: number;
  events: LogEvent[];
}

/** An event as it stands in the log. */
export interface LogEvent {
  kind: string;
  offset: number;
  /** When, ms since the epoch. */
  at: number;
  from: Principal;
  [field: string]: unknown;
}

/** Who wrote something, as the server authenticated it. */
export interface Principal {
  kind: "user" | "agent";
  id: string;
}

/** A browser or process that is attached to a session. */
export interface Member {
  readonly from: Principal;
  /** The same for all tabs of a browser, and made by the server. */
  readonly device: string;
  /** How many of its tabs show the session; 1 or more. */
  readonly tabs: number;
}

/** The fold of a log: what people read. */
export interface Transcript<A extends App = App> {
  /** Names this life of the log; `null` until the server has told it. */
  readonly log: string | null;
  /** The last offset it holds. */
  readonly offset: number;
  readonly title: string | null;
  readonly messages: readonly Message<A>[];
  /** Runs that work for no other run. */
  readonly runs: readonly Run[];
  /** All runs that have not ended. */
  readonly active: readonly Run[];
  /** Whether the log has messages before the first one; see {@link Session.loadOlder}. */
  readonly hasOlder: boolean;
}

/** Where a message stands. `sending` and `refused` ones are not in the log. */
export type MessageState =
  | "sending" | "refused" | "sent" | "streaming" | "completed" | "failed" | "stopped" | "lost";

/** A message of a transcript. */
export interface Message<A extends App = App> {
  readonly id: string;
  readonly role: "user" | "assistant";
  /** Absent while it is only here and the client was not told who it is. */
  readonly from?: Principal;
  /** When, ms since the epoch. */
  readonly at: number;
  /** Its text parts joined. */
  readonly text: string;
  readonly parts: readonly Part[];
  readonly data?: A["message"];
  /** The run that wrote it; of a steer, the run it is for. */
  readonly run?: string;
  /** Why its run failed, or why it was refused. */
  readonly error?: { code: ErrorCode | (string & {}); detail?: string };
  readonly state: MessageState;
}

/** A part of a message: text, reasoning, a tool's input, a file by its URL, or the app's own. */
export interface Part {
  readonly type: string;
  readonly text?: string;
  readonly [field: string]: unknown;
}

/** Where a run stands. */
export type RunState =
  | "running" | "suspended" | "stopping" | "completed" | "failed" | "stopped" | "lost";

/** One agent's piece of work. */
export interface Run {
  readonly id: string;
  readonly agent: string;
  readonly state: RunState;
  readonly parent?: string;
  readonly inReplyTo?: string;
  readonly children: readonly Run[];
  /** Questions that wait for an answer. */
  readonly asks: readonly { readonly id: string; readonly body: unknown }[];
  readonly error?: { code: ErrorCode | (string & {}); detail?: string };
  readonly usage?: unknown;
}
