// What crosses the border to the core and back.
//
// The core is told objects; see `src/web/command.rs`. It tells flat arrays, a number first and then the
// fields, whose numbers are those of `src/web/told.rs` and `src/web/patch.rs`: a test compares them.
import type { ErrorCode } from "./errors.js";

/** What the core starts with. */
export interface CoreOptions {
  url: string;
  client: string;
  seed: number;
  as: string | undefined;
  hasTokens: boolean;
  tabs: boolean;
  page: string;
  keeps: boolean;
  WebSocket: unknown;
  ignore: () => void;
  global: unknown;
}

/** What the core can be asked for. */
export type Command =
  | { type: "attach"; session: string; events: boolean; transcript?: unknown }
  | { type: "older"; session: string; page: unknown; events: unknown[] }
  | { type: "detach"; session: string }
  | { type: "send"; session: string; id: string; event: string }
  | { type: "stop"; session: string; id: string; run: string | undefined; message: string | undefined; only: boolean }
  | { type: "token"; attempt: number; token: string | null | undefined; failed: boolean }
  | { type: "group"; key?: string; id?: string }
  | { type: "resend"; tab: string; session: string; id: string; log: string | undefined; event: string }
  | { type: "read"; session: string; reader: number; after: number | undefined; merge: boolean }
  | { type: "read_end"; session: string; reader: number }
  | { type: "locked" | "lock_lost" | "reconnect" | "close" };

/** The core: takes a command, and answers `false` when an id in it is not an id. */
export type Core = (command: Command) => boolean;

/** The fields of an error, of which there are none without one. */
export type Problem = [code?: ErrorCode, detail?: string, retryable?: boolean, isUnknown?: boolean, retryAfterMs?: number];

/** What the core tells. */
export const enum Told {
  /** attempt */
  Token = 0,
  /** status, retryAt, and then the error */
  Status = 1,
  /** session, status, and then the error */
  Session = 2,
  /** session, log */
  Reset = 3,
  /** session, log, offset, and then patches one after the other */
  Patches = 4,
  /** session, first, last, and then the events */
  Events = 5,
  /** session, id, offset, and then the runs that a stop fenced */
  Sent = 6,
  /** session, id, and then the error */
  Refused = 7,
  /** nothing */
  Group = 8,
  /** nothing */
  Lock = 9,
  /** nothing */
  Unlock = 10,
  /** role, tabs */
  Role = 11,
  /** session, members */
  Presence = 12,
  /** session, id, log, event */
  Store = 13,
  /** session, id */
  Forget = 14,
  /** nothing */
  Recover = 15,
  /** session, reader, first, last, and then the events */
  Batch = 16,
}

/** A change of the transcript. */
export const enum PatchOp {
  /** id, role, from, at, run, text, parts, data, state */
  Message = 0,
  /** message, part, type, text */
  Append = 1,
  /** message, part, value */
  Part = 2,
  /** message, state, error */
  MessageState = 3,
  /** messages */
  Truncate = 4,
  /** id, agent, parent, inReplyTo */
  Run = 5,
  /** run, state, error, usage */
  RunState = 6,
  /** run, ask, body */
  Ask = 7,
  /** run, ask */
  Answered = 8,
  /** title */
  Title = 9,
  /** messages, runs; of both how many before them */
  Older = 10,
}
