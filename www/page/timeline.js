// The conversation: one entry a message, and one for each root run that has not spoken yet.

import { arrange } from "./arrange.js";
import { isOpen } from "./element.js";
import { Entry } from "./entry.js";

export class Timeline {
  #list;
  #actions;
  #nameOf;
  /** Entries in the order they stand on the page. */
  #order = [];
  #byKey = new Map();

  constructor(list, actions, nameOf) {
    this.#list = list;
    this.#actions = actions;
    this.#nameOf = nameOf;
  }

  /** Shows a transcript, touching only what differs from the one before. */
  show(transcript) {
    const items = arrange(transcript);
    const byKey = new Map();
    const last = lastAnswered(items);
    for (const item of items) {
      const entry = this.#byKey.get(item.key) ?? (item.was && this.#byKey.get(item.was)) ?? new Entry(this.#actions);
      byKey.set(item.key, entry);
      this.#fill(entry, { ...item, isLast: item === last });
    }
    this.#byKey = byKey;
    this.#place([...byKey.values()]);
  }

  /** The log keeps what one participant wrote wrong: it must not take the whole conversation from all. */
  #fill(entry, item) {
    try {
      entry.show({ ...item, name: this.#nameOf(item.message ?? item.run) });
    } catch (error) {
      console.error(error);
    }
  }

  #place(order) {
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

/** The last message of a user that agents have done with: the one that may be answered anew. */
function lastAnswered(items) {
  const last = items.findLast(({ message }) => message?.role === "user");
  const rest = items.slice(items.indexOf(last) + 1);
  const isDone = ({ message, run, speaking }) => (message ? message.state !== "streaming" && !speaking : !isOpen(run));
  return rest.length > 0 && rest.every(isDone) ? last : undefined;
}
