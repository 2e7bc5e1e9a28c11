// What the page has to know of a session that no transcript tells: it is read from the events.

/**
 * Follows the log of `session` from its start. `inputs` holds what agents are to take, by the message's id: the
 * agent it is `to`, if it names one; the `run` that gave it, which makes it a task; and its `state`, `waiting` unless
 * it was `stopped` or has `expired`. `spoken` has the ids of the runs that wrote anything, also where an edit has
 * hidden it since.
 */
export function followLog(session) {
  const log = { inputs: new Map(), spoken: new Set() };
  session.on("reset", () => {
    log.inputs.clear();
    log.spoken.clear();
  });
  session.on("event", (event) => {
    const { kind, id, run, to, state, message } = event;
    const isWords = kind === "delta" || kind === "data";
    if (kind === "message") {
      // Of a user what is to nobody is a note; an agent's message is input only where it names one.
      const isInput = run == null ? to !== null : typeof to === "string";
      if (isInput) log.inputs.set(id, { to, run, state: "waiting" });
      else if (run != null) log.spoken.add(run);
    } else if (kind === "input.state" && state !== "used" && log.inputs.has(id)) {
      log.inputs.set(id, { ...log.inputs.get(id), state });
    } else if (isWords && run != null && message != null) {
      log.spoken.add(run);
    }
  });
  return log;
}
