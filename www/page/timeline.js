// The conversation: one entry a message, and one for each root run without any.

import { arrange } from "./arrange.js";
import { isOpen, setChildren } from "./element.js";
import { Entry } from "./entry.js";

export class Timeline {
  #list;
  #actions;
  #nameOf;
  #log;
  /** Entries in the order they stand on the page. */
  #order = [];
  #byKey = new Map();

  /** `log` is that of `followLog`. */
  constructor(list, actions, nameOf, log) {
    this.#list = list;
    this.#actions = actions;
    this.#nameOf = nameOf;
    this.#log = log;
  }

  /** Shows a transcript, touching only what differs from the one before. */
  show(transcript) {
    const items = arrange(transcript, this.#log);
    const byKey = new Map();
    const last = lastAnswered(items);
    for (const item of items) {
      const entry = this.#byKey.get(item.key) ?? new Entry(this.#actions);
      byKey.set(item.key, entry);
      this.#fill(entry, { ...item, isLast: item === last });
    }
    this.#byKey = byKey;
    this.#place([...byKey.values()]);
  }

  /** The log keeps what one participant wrote wrong: it must not take the whole conversation from all. */
  #fill(entry, item) {
    try {
      entry.show({ ...item, name: this.#nameOf(item) });
    } catch (error) {
      console.error(error);
    }
  }

  #place(order) {
    const before = this.#order;
    this.#order = order;
    if (before.length === order.length && order.every((entry, i) => entry === before[i])) return;
    setChildren(this.#list, order.map(({ element }) => element));
  }
}

/** The last message of a user that agents have done with: the one that may be answered anew. */
function lastAnswered(items) {
  const last = items.findLast(({ message }) => message?.role === "user");
  const rest = items.slice(items.indexOf(last) + 1);
  const isDone = ({ message, run, speaking }) => (message ? message.state !== "streaming" && !speaking : !isOpen(run));
  return rest.length > 0 && rest.every(isDone) ? last : undefined;
}
