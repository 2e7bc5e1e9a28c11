// What the page has to know of a session that no transcript tells: it is read from the events.

/**
 * Follows the log of `session` from its start. `tasks` holds what runs gave to agents, by the message's id:
 * whom it is `to`, and its `state`: `waiting` until a run takes it, unless it was `stopped` or has `expired`.
 * `spoken` has the ids of the runs that wrote anything, also where an edit has hidden it since.
 */
export function followLog(session) {
  const log = { tasks: new Map(), spoken: new Set() };
  session.on("reset", () => {
    log.tasks.clear();
    log.spoken.clear();
  });
  session.on("event", (event) => {
    const { kind, id, run, to, state, message } = event;
    const isWords = kind === "delta" || kind === "data";
    if (kind === "message" && run !== undefined) {
      if (typeof to === "string") log.tasks.set(id, { to, state: "waiting" });
      else log.spoken.add(run);
    } else if (kind === "input.state" && state !== "used" && log.tasks.has(id)) {
      log.tasks.set(id, { ...log.tasks.get(id), state });
    } else if (isWords && run != null && message != null) {
      log.spoken.add(run);
    }
  });
  return log;
}
