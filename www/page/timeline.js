// The conversation: one entry a message, and one for each run that has not spoken yet.

import { Entry } from "./entry.js";

export class Timeline {
  #list;
  #actions;
  #nameOf;
  /** Entries in the order they stand on the page. */
  #order = [];
  #byMessage = new Map();
  /** Entries of runs without a message; the run's first message takes its entry over. */
  #byRun = new Map();

  constructor(list, actions, nameOf) {
    this.#list = list;
    this.#actions = actions;
    this.#nameOf = nameOf;
  }

  /** Shows a transcript, touching only what differs from the one before. */
  show(transcript) {
    const { messages, runs, active } = transcript;
    const speaking = lastMessages(messages, active);
    const order = messages.map((message) => {
      const entry = this.#entryOf(message);
      const run = speaking.get(message.id) ?? null;
      const cancellable = isUnclaimed(message, runs);
      entry.show({ message, run, cancellable, name: this.#nameOf(message) });
      return entry;
    });
    const spoken = new Set([...speaking.values()].map((run) => run.id));
    const waiting = active.filter((run) => !spoken.has(run.id));
    for (const run of waiting) {
      const entry = this.#byRun.get(run.id) ?? new Entry(this.#actions);
      this.#byRun.set(run.id, entry);
      entry.show({ message: null, run, cancellable: false, name: this.#nameOf(run) });
      order.push(entry);
    }
    this.#forget(messages, waiting);
    this.#arrange(order);
  }

  #entryOf(message) {
    let entry = this.#byMessage.get(message.id);
    if (entry) return entry;
    entry = (message.run && this.#byRun.get(message.run)) || new Entry(this.#actions);
    this.#byRun.delete(message.run);
    this.#byMessage.set(message.id, entry);
    return entry;
  }

  #forget(messages, waiting) {
    if (this.#byMessage.size !== messages.length) {
      const present = new Set(messages.map((message) => message.id));
      for (const id of this.#byMessage.keys()) if (!present.has(id)) this.#byMessage.delete(id);
    }
    if (this.#byRun.size !== waiting.length) {
      const present = new Set(waiting.map((run) => run.id));
      for (const id of this.#byRun.keys()) if (!present.has(id)) this.#byRun.delete(id);
    }
  }

  #arrange(order) {
    const before = this.#order;
    this.#order = order;
    if (before.length === order.length && order.every((entry, i) => entry === before[i])) return;
    const present = new Set(order);
    for (const entry of before) if (!present.has(entry)) entry.element.remove();
    let next = this.#list.firstElementChild;
    for (const { element } of order) {
      if (element === next) next = next.nextElementSibling;
      else this.#list.insertBefore(element, next);
    }
  }
}

/** The open runs by the id of the last message each has written. */
function lastMessages(messages, active) {
  const speaking = new Map();
  if (active.length === 0) return speaking;
  const open = new Map(active.map((run) => [run.id, run]));
  for (let i = messages.length - 1; i >= 0 && open.size > 0; i -= 1) {
    const { id, role, run } = messages[i];
    if (role !== "assistant" || !open.has(run)) continue;
    speaking.set(id, open.get(run));
    open.delete(run);
  }
  return speaking;
}

/** Sent, and no agent has picked it up yet. */
function isUnclaimed(message, runs) {
  return message.role === "user" && message.state === "sent" && !runs.some((run) => run.inReplyTo === message.id);
}
