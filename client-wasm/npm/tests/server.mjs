// A server made of one object: it answers what the client says, at once or when told to.

/** A WebSocket class whose sockets are all in `sockets`, and the sessions behind it. */
export function fakeServer() {
  const sockets = [];
  const sessions = new Map();
  let answers = true;

  class FakeSocket {
    constructor(url, protocol) {
      Object.assign(this, { url, protocol, sent: [], isClosed: false });
      sockets.push(this);
      queueMicrotask(() => answers && this.onopen?.({ type: "open" }));
    }

    send(text) {
      const frame = JSON.parse(text);
      this.sent.push(frame);
      if (answers) queueMicrotask(() => this.#answer(frame));
    }

    close(code) {
      this.isClosed = true;
      this.code = code;
    }

    /** A frame from the server. */
    tell(frame) {
      if (!this.isClosed) this.onmessage?.({ data: JSON.stringify(frame) });
    }

    /** The connection breaks. */
    cut(code = 1006) {
      this.isClosed = true;
      this.onclose?.({ code });
    }

    #answer(frame) {
      const { request, session } = frame;
      if (frame.type === "hello") {
        this.tell({ type: "welcome", connection: "c", heartbeat_ms: 15000, limits: { event_max_bytes: 262144 } });
      } else if (frame.type === "attach") {
        const { log, events, isSlow } = sessionOf(session);
        const producer = frame.producer && { epoch: frame.producer.epoch ?? 1, seq: 0 };
        this.tell({ type: "attached", request, session, log, tail: events.length, producer });
        const from = frame.position?.offset ?? 0;
        if (events.length > from && !isSlow) {
          this.tell({ type: "events", session, first: from + 1, last: events.length, events: events.slice(from) });
        }
      } else if (frame.type === "fetch") {
        const { log, events } = sessionOf(session);
        const page = events.slice(frame.after, frame.after + 1024);
        const first = frame.after + 1;
        this.tell({ type: "page", request, session, log, first, last: frame.after + page.length, events: page });
      } else if (frame.type === "ping") {
        this.tell({ type: "pong", request });
      } else if (frame.type === "publish") {
        const error = sessionOf(session).refuses?.(frame.events[0]);
        if (error) return this.tell({ type: "refused", request, error });
        const [event] = append(session, frame.events[0]);
        this.tell({ type: "ack", request, first: event.offset, last: event.offset,
          ...(event.runs && { id: event.id, offset: event.offset, runs: event.runs }) });
      }
    }
  }

  function sessionOf(id) {
    if (!sessions.has(id)) sessions.set(id, { log: "log-1", events: [] });
    return sessions.get(id);
  }

  /** Appends events, which everybody who is connected hears of. */
  function append(id, ...added) {
    const { events } = sessionOf(id);
    const first = events.length + 1;
    const stamped = added.map((event, n) => ({
      ...event,
      ...(event.kind === "stop.requested" && { runs: event.runs ?? [event.run ?? "r1"] }),
      offset: first + n,
      at: 1000 + first + n,
      from: { kind: event.kind.startsWith("run") || event.kind === "delta" ? "agent" : "user", id: "x" },
    }));
    events.push(...stamped);
    for (const socket of sockets) {
      socket.tell({ type: "events", session: id, first, last: events.length, events: stamped });
    }
    return stamped;
  }

  return {
    WebSocket: FakeSocket,
    sockets,
    append,
    sessionOf,
    get socket() {
      return sockets.at(-1);
    },
    /** Whether what the client says from now on is answered. */
    answer(does) {
      answers = does;
    },
  };
}

/** How long anything may take, also on a machine that is busy with something else. */
const PATIENCE_MS = 20_000;

/** Waits until something holds, and says what did not. */
export async function until(holds, what = String(holds)) {
  const deadline = performance.now() + PATIENCE_MS;
  while (!(await holds())) {
    if (performance.now() > deadline) throw new Error(`it never came to this: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 5));
  }
}
