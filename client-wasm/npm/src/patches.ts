// The changes of a transcript as the core sends them: one flat array, each change a number and then
// its fields. The numbers are those of `src/web/patch.rs`, and a test compares the two files.

/** Which change, with the fields that follow it. */
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
