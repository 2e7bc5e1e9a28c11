// What crosses the border from the core: flat arrays, a number first and then the fields. The numbers
// are those of `src/web/told.rs` and `src/web/patch.rs`, and a test compares them.

/** What the core tells. */
export const enum Told {
  /** attempt */
  Token = 0,
  /** status, retryAt, problem */
  Status = 1,
  /** session, status, problem */
  Session = 2,
  /** session, log */
  Reset = 3,
  /** session, log, offset, and then patches one after the other */
  Patches = 4,
  /** session, first, last, and then the events */
  Events = 5,
  /** session, id, offset, and then the runs that a stop fenced */
  Sent = 6,
  /** session, id, problem */
  Refused = 7,
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
}
