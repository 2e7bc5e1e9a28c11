// The runs of a transcript as a tree, and the stops that are on their way.
//
// Like messages, a run is changed in place, and the object that people see is made when somebody asks.
import { ownText, setOptional } from "./parts.js";
import type { Outcome, Run, RunState, StopTarget } from "./types.js";

type Mutable<T> = { -readonly [K in keyof T]: T[K] };
type Now = Omit<Mutable<Run>, "children">;

/** A run of a transcript that the server folded. */
type Folded = Run & { place?: number };

interface Slot {
  now: Now;
  parent: Slot | undefined;
  children: Slot[];
  /** Its number, in the order in which they started; -1 for one that only an older page has. */
  rank: number;
  view: Run | undefined;
}

interface PressedStop {
  target: StopTarget | undefined;
  /** Of a stop of everything: how many runs were there. */
  runs: number;
  /** Where the server said that it stands. */
  offset: number | undefined;
}

export class RunTree {
  // By the numbers that patches name them with.
  #numbered: Slot[] = [];
  // All of them, as they stand in the tree.
  #slots: Slot[] = [];
  #byId = new Map<string, Slot>();
  // Which run asked what, answered or not.
  #askers = new Map<string, string>();
  #stops = new Map<string, PressedStop>();
  #view: { runs: readonly Run[]; active: readonly Run[] } | undefined;

  /** What people see: the same object until something changes. */
  view(): { runs: readonly Run[]; active: readonly Run[] } {
    if (this.#view) return this.#view;
    const view = (slot: Slot): Run => (slot.view ??= {
      ...slot.now,
      state: isOpen(slot) && this.#isStopping(slot) ? "stopping" : slot.now.state,
      children: slot.children.map(view),
    });
    const roots = this.#slots.filter(({ parent }) => !parent);
    return (this.#view = { runs: roots.map(view), active: this.#numbered.filter(isOpen).map(view) });
  }

  /** How a run ended; undefined while it is open or unknown. */
  outcome(run: string): Outcome | undefined {
    const slot = this.#byId.get(run);
    return slot && !isOpen(slot) ? (slot.now.state as Outcome) : undefined;
  }

  /** The run that asks something, or asked it. */
  asker(ask: string): string | undefined {
    return this.#askers.get(ask);
  }

  /** Whether a run took a message as its input. */
  hasTaken(message: string): boolean {
    return this.#slots.some(({ now }) => now.inReplyTo === message);
  }

  /** Starts over; stops that are on their way stay. */
  clear(): void {
    this.#numbered = [];
    this.#slots = [];
    this.#byId.clear();
    this.#askers.clear();
    this.#view = undefined;
  }

  /** Goes on with those that the server folded, whose `place` is their number. */
  load(runs: readonly Folded[]): void {
    let met = 0;
    const add = (run: Folded, parent: Slot | undefined) => {
      const { place = met } = run;
      met++;
      const slot = (this.#numbered[place] = this.#new(run, parent, place));
      for (const child of run.children) add(child, slot);
    };
    for (const run of runs) add(run, undefined);
  }

  /** Those of a page stand before the others, and those that are here already where they have them there. */
  older(runs: readonly Run[]): void {
    const known = this.#slots;
    this.#slots = [];
    const met = new Set<Slot>();
    const add = (run: Run, parent: Slot | undefined) => {
      let slot = this.#byId.get(run.id);
      if (!slot) {
        slot = this.#new(run, parent, -1);
      } else if (!met.has(slot)) {
        this.#slots.push(slot);
        if (!slot.parent) this.#join(slot, parent);
      }
      met.add(slot);
      for (const child of run.children) add(child, slot);
    };
    for (const run of runs) add(run, undefined);
    this.#slots.push(...known.filter((slot) => !met.has(slot)));
    const places = new Map(this.#slots.map((slot, place) => [slot, place]));
    for (const { children } of this.#slots) children.sort((one, other) => places.get(one)! - places.get(other)!);
  }

  /** One starts. */
  start(id: unknown, agent: unknown, parent: unknown, inReplyTo: unknown): void {
    const run: Now = { id: ownText(id) ?? "", agent: ownText(agent) ?? "", state: "running", asks: [] };
    setOptional(run, "inReplyTo", ownText(inReplyTo));
    this.#numbered.push(this.#new(run, this.#numbered[parent as number], this.#numbered.length));
  }

  /** One moves to another state. */
  move(place: unknown, state: unknown, error: unknown, usage: unknown): void {
    const slot = this.#changing(place);
    if (!slot) return;
    slot.now.state = state as RunState;
    setOptional(slot.now, "error", error);
    setOptional(slot.now, "usage", usage);
    if (!isOpen(slot)) slot.now.asks = [];
  }

  /** One asks something. */
  ask(place: unknown, ask: unknown, body: unknown): void {
    const run = this.#changing(place)?.now;
    if (!run) return;
    run.asks = [...run.asks, { id: ask as string, body: body ?? null }];
    this.#askers.set(ask as string, run.id);
  }

  /** One has its answer. */
  answered(place: unknown, ask: unknown): void {
    const run = this.#changing(place)?.now;
    if (run) run.asks = run.asks.filter((open) => open.id !== ask);
  }

  // ---- Stops that are on their way ----

  /** Shows as stopping what a stop of `target` would stop; without one, the first so many runs. */
  stopping(id: string, target: StopTarget | undefined, runs = this.#numbered.length): void {
    this.#stops.set(id, { target, runs, offset: undefined });
    this.#stopsChanged();
  }

  /** A stop is in the log at `offset`. */
  confirmed(id: string, offset: number): void {
    const stop = this.#stops.get(id);
    if (stop) stop.offset = offset;
  }

  /** The log is read up to `offset`: it says what the stops before it do. */
  settle(offset: number): void {
    for (const [id, stop] of this.#stops) {
      if (stop.offset !== undefined && stop.offset <= offset) this.forget(id);
    }
  }

  /** A stop is not on its way any more. */
  forget(id: string): void {
    if (this.#stops.delete(id)) this.#stopsChanged();
  }

  #stopsChanged(): void {
    for (const slot of this.#numbered) if (isOpen(slot)) this.#changed(slot);
  }

  #isStopping(stopped: Slot): boolean {
    for (const { target, runs } of this.#stops.values()) {
      if (!target) {
        if (stopped.rank < runs) return true;
        continue;
      }
      for (let slot: Slot | undefined = stopped; slot; slot = "run" in target && target.cascade === false ? undefined : slot.parent) {
        if ("run" in target ? slot.now.id === target.run : slot.now.inReplyTo === target.message) return true;
      }
    }
    return false;
  }

  // ---- Details ----

  #new(run: Now & Partial<Folded>, parent: Slot | undefined, rank: number): Slot {
    const { children: _, place: __, ...now } = run;
    const slot: Slot = { now, parent: undefined, children: [], rank, view: undefined };
    for (const { id } of now.asks) this.#askers.set(id, now.id);
    this.#slots.push(slot);
    this.#byId.set(now.id, slot);
    this.#join(slot, parent);
    return slot;
  }

  #join(slot: Slot, parent: Slot | undefined): void {
    slot.parent = parent;
    setOptional(slot.now, "parent", parent?.now.id);
    parent?.children.push(slot);
    this.#changed(slot);
  }

  #changing(place: unknown): Slot | undefined {
    const slot = this.#numbered[place as number];
    this.#changed(slot);
    return slot;
  }

  // A run is shown inside the runs it works for, so they change with it.
  #changed(slot: Slot | undefined): void {
    for (; slot; slot = slot.parent) slot.view = undefined;
    this.#view = undefined;
  }
}

function isOpen({ now: { state } }: Slot): boolean {
  return state === "running" || state === "suspended" || state === "stopping";
}
