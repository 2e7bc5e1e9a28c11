// Reading a log without any of the product's own code.

/** The messages of a log and their text, in order: what every reader must end with. */
export function fold(events) {
  const messages = new Map();
  // By message and part: a delta names its part's type only where it begins it.
  const types = new Map();
  for (const event of events) {
    if (event.kind === "message") {
      const parts = (event.parts ?? []).filter((part) => part.type === "text");
      const text = event.text ?? parts.map((part) => part.text).join("");
      messages.set(event.id, { id: event.id, role: event.role, text });
    } else if (event.kind === "delta") {
      const part = `${event.message} ${event.part ?? 0}`;
      if (!types.has(part)) types.set(part, event.type ?? "text");
      const known = messages.get(event.message) ?? { id: event.message, role: "assistant", text: "" };
      const added = types.get(part) === "text" ? event.text : "";
      messages.set(event.message, { ...known, text: known.text + added });
    }
  }
  return [...messages.values()];
}

/** Its events of a kind, of one run or of all. */
export function ofKind(events, kind, run) {
  return events.filter((event) => event.kind === kind && (run === undefined || event.run === run));
}

/** How a run ended; undefined while it has not. */
export function outcome(events, run) {
  return ofKind(events, "run.ended", run)[0]?.outcome;
}

/** The run that answers a message. */
export function runFor(events, message) {
  return events.find((event) => event.kind === "run.started" && event.in_reply_to === message)?.run;
}
