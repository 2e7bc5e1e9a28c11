// Importing this touches no window and opens nothing: the core starts with the first session.
import { ClientObject } from "./client.js";
import type { App, Client, ConnectOptions } from "./types.js";

export { RunFailure } from "./agent/failure.js";
export type {
  AgentRun, AskOptions, Delegated, DelegatedInput, Handler, HistoryOptions, ServeOptions, WriteOptions,
} from "./agent/types.js";
export { DurableSessionsError, type ErrorCode } from "./errors.js";
export type {
  Ack, App, Batch, Client, ClientStatus, ConnectOptions, DataName, DataOf, EventsOptions, ListOptions, Listed,
  LogEvent, Member, Message, MessageInput, MessageState, Off, Outcome, Part, Principal, ReadOptions, Run, RunState, Session,
  SessionChanges, SessionOptions, SessionStatus, SteerInput, StopReceipt, StopTarget, Transcript,
} from "./types.js";

/**
 * A client of the server at `url`, which is that of the page when absent. `http` and `ws` mean the
 * same; a url without a path gets the server's usual one. Nothing is opened before it is used.
 */
export function connect<A extends App = App>(url?: string | URL, options: ConnectOptions = {}): Client<A> {
  return new ClientObject<A>(url, options);
}
