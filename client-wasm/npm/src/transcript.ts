// The transcript: applies the core's patches, and shows what was pressed before the log has it.
//
// What a patch touches is changed in place; the immutable objects that people see are made when
// somebody asks, and kept until the thing they show changes. So a token costs one string append,
// and what did not change keeps its identity.
import { PatchOp } from "./border.js";
import type { Page } from "./older.js";
import { append, joined, ownText, pad, setOptional } from "./parts.js";
import { hide, Pending, type Hidden } from "./pending.js";
import { RunTree } from "./runs.js";
import type { App, Message, MessageState, Outcome, Part, Run, StopTarget, Transcript } from "./types.js";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface MessageSlot<A extends App> {
  now: Omit<Mutable<Message<A>>, "parts"> & { parts: Part[] };
  view: Message<A> | undefined;
}

export class TranscriptBuilder<A extends App = App> {
  log: string | null = null;
  offset = 0;
  /** Where its first message begins: what comes before that is older. */
  first = 1;
  /** How many pages of older messages it was given. */
  pages = 0;
  #title: string | null = null;
  #messages: MessageSlot<A>[] = [];
  /** What later messages stand in place of. */
  hidden: Hidden = new Map();
  #pending = new Pending<A>();
  #runs = new RunTree();
  #view: Transcript<A> | undefined;
  #messagesView: readonly Message<A>[] | undefined;

  /** The transcript as of now. */
  view(): Transcript<A> {
    return (this.#view ??= {
      log: this.log,
      offset: this.offset,
      title: this.#title,
      messages: (this.#messagesView ??= this.#viewMessages()),
      ...this.#runs.view(),
      hasOlder: this.first > 1,
    });
  }

  /** How a run ended; undefined while it is open or unknown. */
  outcome(run: string): Outcome | undefined {
    return this.#runs.outcome(run);
  }

  /** The run that asks something, or asked it. */
  asker(ask: string): string | undefined {
    return this.#runs.asker(ask);
  }

  /** Starts over: the log is another one. What is not confirmed stays. */
  reset(log: string): void {
    this.log = log;
    this.offset = 0;
    this.first = 1;
    this.#title = null;
    this.#messages = [];
    this.hidden.clear();
    this.#runs.clear();
    this.#changed();
  }

  /** Goes on after what the server folded. */
  load({ log, offset, first, title, messages, runs }: Page<A>): void {
    this.log = log;
    this.offset = offset;
    this.first = first ?? 1;
    this.#title = title;
    this.#messages = messages.map(loaded);
    for (const { id } of messages) this.#pending.read(id);
    this.#runs.load(runs);
    this.#changed();
  }

  /** Applies the patches in `told` from `at` on, after which the transcript is that of `log` up to `offset`. */
  apply(log: string, offset: number, told: unknown[], at: number): void {
    this.log = log;
    this.offset = offset;
    this.#view = undefined;
    while (at < told.length) at = this.#patch(told, at);
    this.#settle();
  }

  // Returns where the next patch begins.
  #patch(p: unknown[], at: number): number {
    switch (p[at++]) {
      case PatchOp.Message:
        this.#addMessage(p, at);
        return at + 9;
      case PatchOp.Append: {
        const message = this.#message(p[at]);
        if (message) append(message, p[at + 1] as number, p[at + 2], p[at + 3]);
        return at + 4;
      }
      case PatchOp.Part: {
        const message = this.#message(p[at]);
        const index = p[at + 1] as number;
        if (message && pad(message, index)) {
          message.parts[index] = (p[at + 2] ?? null) as Part;
          message.text = joined(message.parts);
        }
        return at + 3;
      }
      case PatchOp.MessageState: {
        const message = this.#message(p[at]);
        if (message) {
          message.state = p[at + 1] as MessageState;
          setOptional(message, "error", p[at + 2]);
        }
        return at + 3;
      }
      case PatchOp.Truncate: {
        const place = p[at] as number;
        hide(this.hidden, this.#messages.splice(place).map((slot) => slot.now), place);
        this.#changed();
        return at + 1;
      }
      case PatchOp.Run:
        this.#runs.start(p[at], p[at + 1], p[at + 2], p[at + 3]);
        return at + 4;
      case PatchOp.RunState:
        this.#runs.move(p[at], p[at + 1], p[at + 2], p[at + 3]);
        return at + 4;
      case PatchOp.Ask:
        this.#runs.ask(p[at], p[at + 1], p[at + 2]);
        return at + 3;
      case PatchOp.Answered:
        this.#runs.answered(p[at], p[at + 1]);
        return at + 2;
      case PatchOp.Title:
        this.#title = p[at] as string;
        return at + 1;
      case PatchOp.Older: {
        const runs = at + 1 + (p[at] as number);
        const end = runs + 1 + (p[runs] as number);
        this.#addOlder(p.slice(at + 1, runs) as Message<A>[], p.slice(runs + 1, end) as Run[]);
        return end;
      }
      default:
        // Facade and core are built together, so this is a broken build.
        throw new Error(`durable-sessions: unknown patch ${String(p[at - 1])}`);
    }
  }

  #addMessage(p: unknown[], at: number): void {
    const [id, role, from, time, run, text, parts, data, state] = p.slice(at, at + 9);
    const now: MessageSlot<A>["now"] = {
      id: ownText(id) ?? "",
      role: (ownText(role) ?? "") as Message["role"],
      at: isCount(time) ? time : 0,
      text: "",
      parts: text != null ? [{ type: "text", text: text as string }] : Array.isArray(parts) ? [...parts] : [],
      state: state as MessageState,
    };
    now.text = joined(now.parts);
    setOptional(now, "from", from);
    setOptional(now, "data", data);
    setOptional(now, "run", ownText(run));
    this.#messages.push({ now, view: undefined });
    this.#pending.read(now.id);
    this.#changed();
  }

  #addOlder(messages: Message<A>[], runs: Run[]): void {
    this.pages++;
    for (const [id, place] of this.hidden) this.hidden.set(id, place + messages.length);
    this.#messages.unshift(...messages.map(loaded));
    this.#runs.older(runs);
    this.#changed();
  }

  // A message that is about to change.
  #message(place: unknown): MessageSlot<A>["now"] | undefined {
    const slot = this.#messages[place as number];
    if (!slot) return undefined;
    slot.view = undefined;
    this.#changed();
    return slot.now;
  }

  // A message has changed, or which there are.
  #changed(): void {
    this.#view = this.#messagesView = undefined;
  }

  // ---- What is not in the log yet ----

  /** Shows a message that is on its way. */
  sending(message: Message<A>, replaces: string | undefined): void {
    if (this.#messages.some((slot) => slot.now.id === message.id)) return;
    this.#pending.add(message, replaces);
    this.#changed();
  }

  /** Shows as stopping what a stop of `target` would stop; without one, the first so many runs. */
  stopping(id: string, target: StopTarget | undefined, runs?: number): void {
    const message = target && (target as { message?: string }).message;
    if (message !== undefined && !this.#runs.hasTaken(message)) {
      // No input that a run took: perhaps what a run says.
      const said = this.#messages.find(({ now }) => now.id === message)?.now;
      if (said?.role === "assistant" && said.run !== undefined) target = { run: said.run };
    }
    this.#runs.stopping(id, target, runs);
    this.#view = undefined;
  }

  /** A message or stop is in the log at `offset`; it is shown as before until the log is read so far. */
  confirmed(id: string, offset: number): void {
    this.#pending.confirmed(id, offset);
    this.#runs.confirmed(id, offset);
    this.#changed();
    this.#settle();
  }

  #settle(): void {
    if (this.#pending.settle(this.offset)) this.#changed();
    this.#runs.settle(this.offset);
  }

  /** A message or stop will never be in the log: a message stays and says why. */
  refused(id: string, error: NonNullable<Message["error"]>): void {
    this.#pending.refused(id, error);
    this.#runs.forget(id);
    this.#changed();
  }

  /** Takes a refused message away; whether there was one. */
  discard(id: string): boolean {
    this.#changed();
    return this.#pending.discard(id);
  }

  #viewMessages(): readonly Message<A>[] {
    const views = this.#messages.map(
      (slot) => (slot.view ??= { ...slot.now, parts: slot.now.parts.slice() } as Message<A>),
    );
    this.#pending.show(views, this.hidden);
    return views;
  }
}

// What the server folded is shown as it is until it changes.
function loaded<A extends App>(message: Message<A>): MessageSlot<A> {
  return { now: { ...message, parts: [...message.parts] }, view: message };
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}
