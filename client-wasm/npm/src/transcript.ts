// The transcript: applies the core's patches, and shows sends and stops before the log has them.
//
// What a patch touches is changed in place; the immutable objects that people see are made when
// somebody asks, and kept until the thing they show changes. So a token costs one string append,
// and what did not change keeps its identity.
import { PatchOp } from "./border.js";
import type { App, Message, MessageState, Outcome, Part, Principal, Run, RunState, Transcript } from "./types.js";

/** Most parts of a message, as in the protocol. */
const MESSAGE_MAX_PARTS = 1024;

type Mutable<T> = { -readonly [K in keyof T]: T[K] };

interface MessageSlot<A extends App> {
  now: Omit<Mutable<Message<A>>, "parts"> & { parts: Part[] };
  view: Message<A> | undefined;
}

interface RunSlot {
  now: Omit<Mutable<Run>, "children" | "asks"> & { asks: { id: string; body: unknown }[] };
  parent: number | undefined;
  children: number[];
  view: Run | undefined;
}

interface Unconfirmed<A extends App> {
  message: Message<A>;
  replaces: string | undefined;
  /** Where the server said that it stands. */
  offset: number | undefined;
}

interface PressedStop {
  runs: string[];
  offset: number | undefined;
}

export class TranscriptBuilder<A extends App = App> {
  log: string | null = null;
  offset = 0;
  #title: string | null = null;
  #messages: MessageSlot<A>[] = [];
  #runs: RunSlot[] = [];
  #runPlaces = new Map<string, number>();
  // In the order of the sends, behind all that the log has.
  #unconfirmed = new Map<string, Unconfirmed<A>>();
  #stops = new Map<string, PressedStop>();
  #view: Transcript<A> | undefined;
  #messagesView: readonly Message<A>[] | undefined;
  #runsView: { runs: readonly Run[]; active: readonly Run[] } | undefined;

  /** The transcript as of now. */
  view(): Transcript<A> {
    return (this.#view ??= {
      log: this.log,
      offset: this.offset,
      title: this.#title,
      messages: (this.#messagesView ??= this.#viewMessages()),
      ...(this.#runsView ??= this.#viewRuns()),
      hasOlder: false,
    });
  }

  /** How a run ended; undefined while it is open or unknown. */
  outcome(run: string): Outcome | undefined {
    const place = this.#runPlaces.get(run);
    const state = place === undefined ? undefined : this.#runs[place]?.now.state;
    return state === undefined || isOpen(state) ? undefined : (state as Outcome);
  }

  /** Starts over: the log is another one. What is not confirmed stays. */
  reset(log: string): void {
    this.log = log;
    this.offset = 0;
    this.#title = null;
    this.#messages = [];
    this.#runs = [];
    this.#runPlaces.clear();
    this.#changed(true, true);
  }

  /** Applies the patches in `told` from `at` on, after which the transcript is that of `log` up to `offset`. */
  apply(log: string, offset: number, told: unknown[], at: number): void {
    this.log = log;
    this.offset = offset;
    this.#changed(false, false);
    while (at < told.length) at = this.#patch(told, at);
    for (const [id, { offset }] of this.#unconfirmed) this.#settle(id, offset);
    for (const [id, { offset }] of this.#stops) this.#settle(id, offset);
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
      case PatchOp.Truncate:
        this.#messages.length = Math.min(this.#messages.length, p[at] as number);
        this.#changed(true, false);
        return at + 1;
      case PatchOp.Run:
        this.#addRun(p, at);
        return at + 4;
      case PatchOp.RunState: {
        const run = this.#run(p[at]);
        if (run) {
          run.state = p[at + 1] as RunState;
          setOptional(run, "error", p[at + 2]);
          setOptional(run, "usage", p[at + 3]);
        }
        return at + 4;
      }
      case PatchOp.Ask: {
        const run = this.#run(p[at]);
        if (run) run.asks = [...run.asks, { id: p[at + 1] as string, body: p[at + 2] ?? null }];
        return at + 3;
      }
      case PatchOp.Answered: {
        const run = this.#run(p[at]);
        if (run) run.asks = run.asks.filter((open) => open.id !== p[at + 1]);
        return at + 2;
      }
      case PatchOp.Title:
        this.#title = p[at] as string;
        return at + 1;
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
    this.#unconfirmed.delete(now.id);
    this.#changed(true, false);
  }

  #addRun(p: unknown[], at: number): void {
    const [id, agent, parentPlace, inReplyTo] = p.slice(at, at + 4);
    const parent = parentPlace as number | undefined;
    const place = this.#runs.length;
    const now: RunSlot["now"] = {
      id: ownText(id) ?? "",
      agent: ownText(agent) ?? "",
      state: "running",
      asks: [],
    };
    setOptional(now, "inReplyTo", ownText(inReplyTo));
    if (parent !== undefined) {
      setOptional(now, "parent", this.#runs[parent]?.now.id);
      this.#runs[parent]?.children.push(place);
    }
    this.#runs.push({ now, parent, children: [], view: undefined });
    this.#runPlaces.set(now.id, place);
    this.#runChanged(place);
  }

  // A message that is about to change.
  #message(place: unknown): MessageSlot<A>["now"] | undefined {
    const slot = this.#messages[place as number];
    if (!slot) return undefined;
    slot.view = undefined;
    this.#changed(true, false);
    return slot.now;
  }

  // A run that is about to change.
  #run(place: unknown): RunSlot["now"] | undefined {
    const slot = this.#runs[place as number];
    if (slot) this.#runChanged(place as number);
    return slot?.now;
  }

  // A run is shown inside the runs it works for, so they change with it.
  #runChanged(place: number): void {
    for (let slot = this.#runs[place]; slot; slot = this.#runs[slot.parent ?? -1]) slot.view = undefined;
    this.#changed(false, true);
  }

  #changed(messages: boolean, runs: boolean): void {
    this.#view = undefined;
    if (messages) this.#messagesView = undefined;
    if (runs) this.#runsView = undefined;
  }

  // ---- What is not in the log yet ----

  /** Shows a message that is on its way. */
  sending(message: Message<A>, replaces: string | undefined): void {
    this.#unconfirmed.delete(message.id);
    if (!this.#messages.some((slot) => slot.now.id === message.id)) {
      this.#unconfirmed.set(message.id, { message, replaces, offset: undefined });
    }
    this.#changed(true, false);
  }

  /** The runs that a stop of `target` would stop, as far as they are known: shows them stopping. */
  stopping(stop: string, target: { run: string; cascade?: boolean } | { message: string } | undefined): void {
    const runs = this.#runs.filter((slot) => {
      if (!isOpen(slot.now.state)) return false;
      if (!target) return true;
      if ("message" in target) return this.#descends(slot, (run) => run.inReplyTo === target.message);
      if (target.cascade === false) return slot.now.id === target.run;
      return this.#descends(slot, (run) => run.id === target.run);
    });
    this.#stops.set(stop, { runs: runs.map((slot) => slot.now.id), offset: undefined });
    this.#stopsChanged(stop);
  }

  #descends(slot: RunSlot | undefined, matches: (run: RunSlot["now"]) => boolean): boolean {
    for (; slot; slot = this.#runs[slot.parent ?? -1]) if (matches(slot.now)) return true;
    return false;
  }

  /** A message or stop is in the log at `offset`; it is shown as before until the log is read so far. */
  confirmed(id: string, offset: number): void {
    const entry = this.#unconfirmed.get(id);
    if (entry) {
      const { error: _, ...message } = entry.message;
      this.#unconfirmed.set(id, { ...entry, message: { ...message, state: "sent" }, offset });
      this.#changed(true, false);
    }
    const stop = this.#stops.get(id);
    if (stop) stop.offset = offset;
    this.#settle(id, offset);
  }

  #settle(id: string, offset: number | undefined): void {
    if (offset === undefined || offset > this.offset) return;
    if (this.#unconfirmed.delete(id)) this.#changed(true, false);
    this.#stopsChanged(id);
    this.#stops.delete(id);
  }

  /** A message or stop will never be in the log: a message stays and says why. */
  refused(id: string, error: NonNullable<Message["error"]>): void {
    const entry = this.#unconfirmed.get(id);
    if (entry) {
      entry.message = { ...entry.message, error, state: "refused" };
      this.#changed(true, false);
    }
    this.#stopsChanged(id);
    this.#stops.delete(id);
  }

  /** Takes a refused message away; whether there was one. */
  discard(id: string): boolean {
    if (this.#unconfirmed.get(id)?.message.state !== "refused") return false;
    this.#changed(true, false);
    return this.#unconfirmed.delete(id);
  }

  #stopsChanged(id: string): void {
    for (const run of this.#stops.get(id)?.runs ?? []) {
      const place = this.#runPlaces.get(run);
      if (place !== undefined) this.#runChanged(place);
    }
  }

  // ---- What people see ----

  #viewMessages(): readonly Message<A>[] {
    const views = this.#messages.map(
      (slot) => (slot.view ??= { ...slot.now, parts: slot.now.parts.slice() } as Message<A>),
    );
    for (const { message, replaces } of this.#unconfirmed.values()) {
      const place = message.state === "refused" ? -1 : views.findIndex((view) => view.id === replaces);
      if (place >= 0) views.length = place;
      views.push(message);
    }
    return views;
  }

  #viewRuns(): { runs: readonly Run[]; active: readonly Run[] } {
    const stopping = new Set([...this.#stops.values()].flatMap((stop) => stop.runs));
    const view = (place: number): Run => {
      const slot = this.#runs[place]!;
      return (slot.view ??= {
        ...slot.now,
        state: isOpen(slot.now.state) && stopping.has(slot.now.id) ? "stopping" : slot.now.state,
        children: slot.children.map(view),
      });
    };
    const places = this.#runs.map((_, place) => place);
    return {
      runs: places.filter((place) => this.#runs[place]!.parent === undefined).map(view),
      active: places.filter((place) => isOpen(this.#runs[place]!.now.state)).map(view),
    };
  }
}

/** A message as it is shown before the log has it. */
export function draft<A extends App>(
  id: string,
  input: { text?: string; parts?: Part[]; data?: A["message"] },
  from: Principal | undefined,
): Message<A> {
  const parts: Part[] = input.text !== undefined ? [{ type: "text", text: input.text }] : [...(input.parts ?? [])];
  const message: Mutable<Message<A>> = {
    id, role: "user", at: Date.now(), text: joined(parts), parts, state: "sending",
  };
  setOptional(message, "from", from);
  setOptional(message, "data", input.data);
  return message;
}

// The rules of the next three are those of the protocol crate's `fold/transcript.rs`.

function append(message: { text: string; parts: Part[] }, index: number, type: unknown, text: unknown): void {
  const isNew = index >= message.parts.length;
  const isLast = index + 1 >= message.parts.length;
  if (!pad(message, index)) return;
  let part = message.parts[index]!;
  if (isNew && type != null) part = { type: type as string, text: "" };
  if (typeof part !== "object" || part === null || Array.isArray(part)) part = { type: "text", text: "" };
  const added = ownText(text) ?? "";
  message.parts[index] = { ...part, text: (ownText(part.text) ?? "") + added };
  if (part.type !== "text") return;
  message.text = isLast ? message.text + added : joined(message.parts);
}

// Makes the parts up to `index`; false past the limit.
function pad(message: { parts: Part[] }, index: number): boolean {
  if (index >= MESSAGE_MAX_PARTS) return false;
  while (message.parts.length <= index) message.parts.push({ type: "text", text: "" });
  return true;
}

function joined(parts: readonly Part[]): string {
  let text = "";
  for (const part of parts) if (part?.type === "text") text += ownText(part.text) ?? "";
  return text;
}

function isOpen(state: RunState): boolean {
  return state === "running" || state === "suspended" || state === "stopping";
}

function ownText(value: unknown): string | undefined {
  return typeof value === "string" ? value : undefined;
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function setOptional<T extends object>(target: T, key: keyof T & string, value: unknown): void {
  if (value == null) delete target[key];
  else (target as Record<string, unknown>)[key] = value;
}
