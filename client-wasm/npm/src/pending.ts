// Messages that are not in the log yet. They are shown behind all that it has, in the order of the sends.
import { joined } from "./parts.js";
import type { App, Message, Part, Principal } from "./types.js";

interface Unconfirmed<A extends App> {
  message: Message<A>;
  replaces: string | undefined;
  /** Where the server said that it stands. */
  offset: number | undefined;
}

/** Hidden messages, and at which place among the visible ones they stood. */
export type Hidden = Map<string, number>;

/** Hides the messages that stand from `place` on. */
export function hide(hidden: Hidden, messages: readonly { readonly id: string }[], place: number): void {
  for (const [id, at] of hidden) if (at > place) hidden.set(id, place);
  for (const { id } of messages) hidden.set(id, place);
}

export class Pending<A extends App = App> {
  #messages = new Map<string, Unconfirmed<A>>();

  /** One is on its way. */
  add(message: Message<A>, replaces: string | undefined): void {
    this.#messages.delete(message.id);
    this.#messages.set(message.id, { message, replaces, offset: undefined });
  }

  /** One is in the log at `offset`. It stays until the log is read so far, which looks no different. */
  confirmed(id: string, offset: number): void {
    const entry = this.#messages.get(id);
    if (!entry) return;
    const { error: _, ...message } = entry.message;
    this.#messages.set(id, { ...entry, message: { ...message, state: "sent" }, offset });
  }

  /** The log is read up to `offset`; whether something went with it. */
  settle(offset: number): boolean {
    let went = false;
    for (const [id, entry] of this.#messages) {
      if (entry.offset !== undefined && entry.offset <= offset) went = this.#messages.delete(id);
    }
    return went;
  }

  /** One will never be in the log; it says why. */
  refused(id: string, error: NonNullable<Message["error"]>): void {
    const entry = this.#messages.get(id);
    if (entry) entry.message = { ...entry.message, error, state: "refused" };
  }

  /** One was read in the log. */
  read(id: string): void {
    this.#messages.delete(id);
  }

  /** Takes a refused one away; whether there was one. */
  discard(id: string): boolean {
    return this.#messages.get(id)?.message.state === "refused" && this.#messages.delete(id);
  }

  /** Puts them behind the messages of the log, without those that they replace. */
  show(messages: Message<A>[], hidden: Hidden): void {
    const ours: Hidden = new Map(hidden);
    for (const { message, replaces } of this.#messages.values()) {
      if (replaces !== undefined && message.state !== "refused") {
        const shown = messages.findIndex(({ id }) => id === replaces);
        const place = shown < 0 ? ours.get(replaces) : shown;
        if (place !== undefined) hide(ours, messages.splice(place), place);
      }
      messages.push(message);
    }
  }
}

/** A message as it is shown before the log has it; with a run, a steer. */
export function draft<A extends App>(
  id: string,
  input: { text?: string; parts?: Part[]; data?: A["message"] },
  from: Principal | undefined,
  run: string | undefined,
): Message<A> {
  const parts: Part[] = input.text !== undefined ? [{ type: "text", text: input.text }] : [...(input.parts ?? [])];
  return {
    id, role: "user", at: Date.now(), text: joined(parts), parts, state: "sending",
    ...(from && { from }),
    ...(run !== undefined && { run }),
    ...(input.data !== undefined && { data: input.data }),
  };
}
