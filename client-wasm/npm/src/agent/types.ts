// The public shapes of the agent's side.
import type { App, Message, Outcome, Part } from "../types.js";

/** Options of {@link Client.serve}; all are optional. */
export interface ServeOptions {
  /** Whose input it works on: names of sessions or `prefix*`. The default is every session. */
  sessions?: string | readonly string[];
  /** How many inputs it works on at a time; the default is 8. */
  concurrency?: number;
  /**
   * A name for what writes, the same after a restart of the process: it then takes up the runs that it
   * left open. Only one process at a time may have it. The default is a name that nobody has again.
   */
  producer?: string;
  /**
   * How long its runs, and those they make by `child`, outlive its connection: 1,000 to 86,400,000 ms, the
   * default is 30,000. Who is back in that time, the same process or the next one of its `producer`, goes on
   * with them; then they end `lost`, and their input is offered again. A long one outlives long outages, and
   * makes whoever waits for a worker that died wait as long.
   */
  leaseMs?: number;
}

/**
 * Works on one input. What it returns ends the run `completed`, with the value as the run's `data`; what it
 * throws ends it `failed`, and nobody reads the text of that: see {@link RunFailure}. After a stop the run
 * ends `stopped`, whatever comes.
 */
export type Handler<A extends App = App> = (run: AgentRun<A>) => unknown;

/** One piece of work of an agent, which is open until its handler is done. */
export interface AgentRun<A extends App = App> {
  readonly id: string;
  /** The id of its session. */
  readonly session: string;
  /** The message it works on. */
  readonly input: Message<A>;
  /** 1 for the first run of this input, more after runs of it were lost. */
  readonly attempt: number;
  /** Aborts at a stop, or when the run is lost to this process. Nothing it writes is in the log after that. */
  readonly signal: AbortSignal;
  /**
   * Whether an earlier process of the same {@link ServeOptions.producer} began this run. What is written now
   * goes on behind what that wrote; what it asked or delegated, and is asked or delegated again in the same
   * words, is not said twice: the answer is that one's.
   */
  readonly isResumed: boolean;
  /**
   * The conversation up to the input: without what earlier attempts wrote, and without messages that wait
   * behind it. The input is its last message, unless the run was resumed: then the steers that it took and
   * its own answer so far follow.
   */
  history(options?: HistoryOptions): Promise<readonly Message<A>[]>;
  /**
   * Appends text to the answer. Resolves when there is room for more: at once, as long as the server keeps
   * up. What is written is delivered once and in order, through any number of connections; small pieces
   * that come within 25 ms go out as one.
   */
  write(text: string, options?: WriteOptions): Promise<void>;
  /** Adds a whole part to the answer. With a key the next part of that key takes its place. */
  part(part: Part, key?: string | number): Promise<void>;
  /** Runs another agent's work here, as a run below this one, and resolves with what it returns. */
  child<T>(agent: string, work: (child: AgentRun<A>) => T | Promise<T>): Promise<T>;
  /**
   * Gives another agent an input, wherever that is served, and resolves when it is done with it. Any end of
   * its run is an answer, and no error.
   */
  delegate(agent: string, input: string | DelegatedInput<A>): Promise<Delegated>;
  /**
   * Asks whoever follows the session, in a shape of the app's own but for `null`, and resolves with the first
   * answer. The run is `suspended` meanwhile.
   */
  ask(ask: unknown, options?: AskOptions): Promise<A["answer"]>;
  /** What people say to the run while it works, oldest first. One that is given out counts as used. */
  readonly steers: AsyncIterable<Message<A>>;
}

/** Options of {@link AgentRun.history}. */
export interface HistoryOptions {
  /** At most this many messages, the last ones. */
  last?: number;
}

/** Options of {@link AgentRun.ask}. */
export interface AskOptions {
  /**
   * How long the answer may take: 1,000 to 2,592,000,000 ms (30 days), the default is 24 h. Then the run ends
   * `lost`: its signal aborts, and what it awaits rejects as after a stop. Its input is offered again, or has
   * `expired` after the third time. One that {@link AgentRun.child} made has none: what its parent awaits rejects.
   */
  expiresMs?: number;
}

/** Options of {@link AgentRun.write}. */
export interface WriteOptions {
  /** The type of the part that the text goes to; another than before begins a new one. Default: `text`. */
  type?: "text" | "reasoning" | "tool-input" | (string & {});
}

/** What is delegated. Either `text` or `parts`. */
export interface DelegatedInput<A extends App = App> {
  text?: string;
  parts?: Part[];
  /** The app's own JSON. */
  data?: A["message"];
}

/** How something delegated ended. */
export interface Delegated {
  /** The run that worked on it; absent if none did. */
  run?: string;
  outcome: Outcome;
  /** The text of its answer. */
  text: string;
  /** What its handler returned. */
  data?: unknown;
}
