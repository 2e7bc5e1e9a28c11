import { Told, type Problem } from "../border.js";
import { DurableSessionsError, failure } from "../errors.js";
import { randomId } from "../id.js";
import { call } from "../schedule.js";
import type { App, ClientStatus, LogEvent, SessionStatus } from "../types.js";
import { AgentTold, type AgentCommand, type AgentCore } from "./border.js";
import { core } from "./core.js";
import type { Offer, Setup } from "./offers.js";
import { RunObject, type Started, type Work } from "./run.js";
import { Sessions, type AgentSession } from "./sessions.js";
import { work } from "./work.js";

/** How many inputs of an agent it works on at a time, if that is not said. */
const CONCURRENCY = 8;

/** An input that the server offers. */
export interface Wake {
  session: string;
  agent: string;
  input: string;
  attempt: number;
  /** The run that works on it, left open by an earlier process. */
  run: string | undefined;
}

/**
 * A connection for agents: one core, one producer. It lasts as long as something is offered or at work.
 */
export class Connection<A extends App> {
  readonly #setup: Setup;
  /** The name that was given for what writes. */
  readonly #name: string | undefined;
  readonly #onEnd: () => void;
  readonly #producer: string;
  readonly #raw: AgentCore;
  readonly #sessions: Sessions<A>;
  #offers = new Map<string, Offer<A>>();
  #runs = new Map<string, RunObject<A>>();
  // Inputs at work, from their wake on.
  #working = 0;
  #isClosed = false;

  constructor(setup: Setup, name: string | undefined, onEnd: () => void) {
    this.#setup = setup;
    this.#name = name;
    this.#onEnd = onEnd;
    this.#producer = name ?? randomId();
    const { as, token, WebSocket = (globalThis as { WebSocket?: unknown }).WebSocket } = setup.options;
    if (typeof WebSocket !== "function") {
      throw failure("not_supported", "there is no WebSocket here: pass one, connect(url, { WebSocket })");
    }
    const id = randomId();
    this.#raw = core(setup.module, {
      url: setup.url,
      client: id,
      seed: Math.random(),
      as,
      hasTokens: token !== undefined,
      tabs: false,
      page: id,
      keeps: false,
      WebSocket,
      ignore() {},
      global: globalThis,
    }, (told) => call(() => this.#hear(told)));
    this.#sessions = new Sessions<A>(this.#raw, this.#producer);
  }

  /** Whether the core took it. */
  add(offer: Offer<A>): boolean {
    const { agent, options: { sessions: of = [], concurrency: slots = CONCURRENCY } } = offer;
    const sessions = typeof of === "string" ? [of] : of;
    this.#offers.set(agent, offer);
    const isTaken = this.#raw({ type: "serve", agent, sessions, slots, producer: this.#name });
    if (!isTaken) this.#leave(offer);
    return isTaken;
  }

  remove(offer: Offer<A>): void {
    if (this.#offers.get(offer.agent) !== offer) return;
    this.#raw({ type: "serve", agent: offer.agent, sessions: [], slots: 0, producer: undefined });
    this.#leave(offer);
  }

  reconnect(): void {
    this.#raw({ type: "reconnect" });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    const reason = failure("closed", "the client is closed");
    for (const run of [...this.#runs.values()]) run.gone(reason);
    this.#raw({ type: "close" });
    this.#sessions.clear();
    this.#setup.onStatus("connecting", null, null);
    this.#onEnd();
  }

  // ---- What the work needs ----

  /** What a run's agent does with its input; nothing once it is not offered any more. */
  offer(agent: string): Offer<A> | undefined {
    return this.#offers.get(agent);
  }

  /** Follows a session, which whoever takes it has to let go of. */
  session(id: string): AgentSession<A> {
    return this.#sessions.take(id);
  }

  command(command: AgentCommand): boolean {
    return !this.#isClosed && this.#raw(command);
  }

  /** Starts a run, and resolves when its start is in the log. */
  start(session: AgentSession<A>, { agent, inReplyTo, parent, ...work }: Started<A>): Promise<RunObject<A>> {
    const run = new RunObject<A>(this, session, randomId(), work);
    const { leaseMs } = work;
    const command = { type: "start_run", session: session.id, run: run.id, agent, inReplyTo, parent, leaseMs } as const;
    return this.#open(run, command);
  }

  /** Goes on with the run of an earlier process, of which it is told later what it works on. */
  takeOver(session: AgentSession<A>, run: string, work: Work<A>): Promise<RunObject<A>> {
    const command = { type: "take_over", session: session.id, producer: this.#producer, run } as const;
    return this.#open(new RunObject<A>(this, session, run, work), command);
  }

  async #open(run: RunObject<A>, command: AgentCommand): Promise<RunObject<A>> {
    this.#runs.set(run.id, run);
    run.home.runs.set(run.id, run);
    // A child may be at work for longer than who made it.
    run.home.hold();
    if (!this.command(command)) run.gone(failure("invalid", "that is no name of an agent"));
    await run.started;
    return run;
  }

  /** A run is over, however: nothing more is told to it. */
  forget(run: RunObject<A>): void {
    if (!this.#runs.delete(run.id)) return;
    run.home.runs.delete(run.id);
    run.home.release();
    this.#rest();
  }

  // ---- Details ----

  #leave(offer: Offer<A>): void {
    this.#offers.delete(offer.agent);
    this.#rest();
  }

  #rest(): void {
    if (this.#offers.size + this.#working + this.#runs.size === 0) this.close();
  }

  // The core stands still while it tells, so nothing may be thrown at it.
  #hear(told: unknown[]): void {
    const [what, first, second, third] = told as [Told | AgentTold, string, string, unknown];
    const session = this.#sessions.find(first);
    switch (what) {
      case Told.Token:
        return void this.#token(first as unknown as number);
      case Told.Status:
        return this.#status(first as ClientStatus, (second as unknown as number | undefined) ?? null, errorOf(told, 3));
      case Told.Session:
        if (second === "closed") return this.#sessions.ended(first, errorOf(told, 3));
        return session?.status(second as SessionStatus);
      case Told.Reset:
        return session?.reset(second);
      case Told.Patches:
        return session?.patches(second, third as number, told, 4);
      case Told.Events:
        return session?.heard(told.slice(4) as LogEvent[]);
      case AgentTold.Wake:
        return void this.#work(wakeOf(told));
      case AgentTold.RunStarted:
        return this.#runs.get(second)?.begun();
      case AgentTold.RunStopped:
        return this.#runs.get(second)?.stopped();
      case AgentTold.RunRefused:
        return this.#runs.get(second)?.gone(errorOf(told, 3)!);
      case AgentTold.WriteRefused:
        return this.#runs.get(second)?.writeRefused(errorOf(told, 3)!);
      case AgentTold.RunEnded:
        return this.#runs.get(second)?.ended();
      case AgentTold.WriterFull:
        return session?.setRoom(false);
      case AgentTold.WriterReady:
        return session?.setRoom(true);
      case AgentTold.ProducerFenced:
        return this.#log(`another process writes as ${this.#producer} in ${first}`);
      case AgentTold.ServeRefused:
        this.#leave(this.#offers.get(first)!);
        throw errorOf(told, 2)!;
      default:
    }
  }

  async #work(wake: Wake): Promise<void> {
    this.#working++;
    const { agent, session, input } = wake;
    try {
      await work(this, wake);
    } catch (error) {
      this.#log(`${agent} in ${session}: ${String(error)}`);
    }
    this.#working--;
    this.command({ type: "wake_done", agent, session, input });
    this.#rest();
  }

  #status(status: ClientStatus, retryAt: number | null, error: DurableSessionsError | null): void {
    // Closed within a callback of the core, it hears of its own end later.
    if (this.#isClosed) return;
    if (error) this.#log(`${status}: ${error.message}`);
    this.#setup.onStatus(status, retryAt, error);
  }

  async #token(attempt: number): Promise<void> {
    let token: string | null | undefined;
    try {
      token = (await this.#setup.options.token!()) ?? null;
    } catch (error) {
      this.#log(`token() failed: ${String(error)}`);
    }
    this.command({ type: "token", attempt, token, failed: token === undefined });
  }

  #log(line: string): void {
    const { log } = this.#setup.options;
    if (log) call(log, `agents: ${line}`);
  }
}

function wakeOf(told: unknown[]): Wake {
  const [, session, agent, input, attempt, run] = told as [number, string, string, string, number, string | undefined];
  return { session, agent, input, attempt, run };
}

function errorOf(told: unknown[], at: number): DurableSessionsError | null {
  const [code, ...rest] = told.slice(at) as Problem;
  return code ? new DurableSessionsError(code, ...rest) : null;
}
