// The transcript: applies the core's patches, and shows sends and stops before the log has them.
//
// What a patch touches is changed in place; the immutable objects that people see are made when
// somebody asks, and kept until the thing they show changes. So a token costs one string append,
// and what did not change keeps its identity.
import { PatchOp } from "./border.js";
import { append, joined, ownText, pad } from "./parts.js";
import { hide, Pending, type Hidden } from "./pending.js";
import type { App, Message, MessageState, Outcome, Part, Run, RunState, StopTarget, Transcript } from "./types.js";

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

interface PressedStop {
  target: StopTarget | undefined;
  /** Of a stop of everything: how many runs were there. */
  runs: number;
  /** Where the server said that it stands. */
  offset: number | undefined;
}

export class TranscriptBuilder<A extends App = App> {
  log: string | null = null;
  offset = 0;
  #title: string | null = null;
  #messages: MessageSlot<A>[] = [];
  #runs: RunSlot[] = [];
  #runPlaces = new Map<string, number>();
  // Which run asked what, answered or not.
  #askers = new Map<string, string>();
  #hidden: Hidden = new Map();
  #pending = new Pending<A>();
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

  /** The run that asks something, or asked it. */
  asker(ask: string): string | undefined {
    return this.#askers.get(ask);
  }

  /** Starts over: the log is another one. What is not confirmed stays. */
  reset(log: string): void {
    this.log = log;
    this.offset = 0;
    this.#title = null;
    this.#messages = [];
    this.#runs = [];
    this.#runPlaces.clear();
    this.#askers.clear();
    this.#hidden.clear();
    this.#changed(true, true);
  }

  /** Applies the patches in `told` from `at` on, after which the transcript is that of `log` up to `offset`. */
  apply(log: string, offset: number, told: unknown[], at: number): void {
    this.log = log;
    this.offset = offset;
    this.#changed(false, false);
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
        hide(this.#hidden, this.#messages.splice(place).map((slot) => slot.now), place);
        this.#changed(true, false);
        return at + 1;
      }
      case PatchOp.Run:
        this.#addRun(p, at);
        return at + 4;
      case PatchOp.RunState: {
        const run = this.#run(p[at]);
        if (run) {
          run.state = p[at + 1] as RunState;
          if (!isOpen(run.state)) run.asks = [];
          setOptional(run, "error", p[at + 2]);
          setOptional(run, "usage", p[at + 3]);
        }
        return at + 4;
      }
      case PatchOp.Ask: {
        const run = this.#run(p[at]);
        const id = p[at + 1] as string;
        if (run) {
          run.asks = [...run.asks, { id, body: p[at + 2] ?? null }];
          this.#askers.set(id, run.id);
        }
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
    this.#pending.read(now.id);
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
    if (this.#messages.some((slot) => slot.now.id === message.id)) return;
    this.#pending.add(message, replaces);
    this.#changed(true, false);
  }

  /** Shows as stopping what a stop of `target` would stop; without one, the first so many runs. */
  stopping(id: string, target: StopTarget | undefined, runs = this.#runs.length): void {
    const message = target && "message" in target ? target.message : undefined;
    if (message !== undefined && !this.#runs.some(({ now }) => now.inReplyTo === message)) {
      // No input that a run took: perhaps what a run says.
      const said = this.#messages.find(({ now }) => now.id === message)?.now;
      if (said?.role === "assistant" && said.run !== undefined) target = { run: said.run };
    }
    this.#stops.set(id, { target, runs, offset: undefined });
    this.#stopsChanged();
  }

  /** A message or stop is in the log at `offset`; it is shown as before until the log is read so far. */
  confirmed(id: string, offset: number): void {
    this.#pending.confirmed(id, offset);
    const stop = this.#stops.get(id);
    if (stop) stop.offset = offset;
    this.#changed(true, false);
    this.#settle();
  }

  #settle(): void {
    if (this.#pending.settle(this.offset)) this.#changed(true, false);
    for (const [id, { offset }] of this.#stops) {
      if (offset !== undefined && offset <= this.offset) this.#forgetStop(id);
    }
  }

  /** A message or stop will never be in the log: a message stays and says why. */
  refused(id: string, error: NonNullable<Message["error"]>): void {
    this.#pending.refused(id, error);
    this.#forgetStop(id);
    this.#changed(true, false);
  }

  /** Takes a refused message away; whether there was one. */
  discard(id: string): boolean {
    this.#changed(true, false);
    return this.#pending.discard(id);
  }

  #forgetStop(id: string): void {
    if (this.#stops.delete(id)) this.#stopsChanged();
  }

  #stopsChanged(): void {
    this.#runs.forEach((slot, place) => isOpen(slot.now.state) && this.#runChanged(place));
  }

  // Whether a stop that is on its way stops an open run.
  #isStopping(place: number): boolean {
    for (const { target, runs } of this.#stops.values()) {
      if (!target) {
        if (place < runs) return true;
        continue;
      }
      const isNamed = "run" in target
        ? (run: RunSlot["now"]) => run.id === target.run
        : (run: RunSlot["now"]) => run.inReplyTo === target.message;
      const isAlone = "run" in target && target.cascade === false;
      for (let slot = this.#runs[place]; slot; slot = isAlone ? undefined : this.#runs[slot.parent ?? -1]) {
        if (isNamed(slot.now)) return true;
      }
    }
    return false;
  }

  // ---- What people see ----

  #viewMessages(): readonly Message<A>[] {
    const views = this.#messages.map(
      (slot) => (slot.view ??= { ...slot.now, parts: slot.now.parts.slice() } as Message<A>),
    );
    this.#pending.show(views, this.#hidden);
    return views;
  }

  #viewRuns(): { runs: readonly Run[]; active: readonly Run[] } {
    const view = (place: number): Run => {
      const slot = this.#runs[place]!;
      return (slot.view ??= {
        ...slot.now,
        state: isOpen(slot.now.state) && this.#isStopping(place) ? "stopping" : slot.now.state,
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

function isOpen(state: RunState): boolean {
  return state === "running" || state === "suspended" || state === "stopping";
}

function isCount(value: unknown): value is number {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

function setOptional<T extends object>(target: T, key: keyof T & string, value: unknown): void {
  if (value == null) delete target[key];
  else (target as Record<string, unknown>)[key] = value;
}
