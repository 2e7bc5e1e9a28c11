import { core } from "./core.js";
import { Offers } from "./agent/offers.js";
import type { Handler, ServeOptions } from "./agent/types.js";
import { endpoint, principal } from "./address.js";
import { Told, type Core, type Problem } from "./border.js";
import { deferred, type Deferred } from "./deferred.js";
import { DurableSessionsError, failure } from "./errors.js";
import { get, listed } from "./http.js";
import { canShare, groupOf, identify, type Group } from "./group.js";
import { randomId } from "./id.js";
import { lock } from "./lock.js";
import { canStore, Outbox, type Entry } from "./outbox.js";
import { call, Subscribers } from "./schedule.js";
import type { Owner, Port, Sent } from "./port.js";
import { SessionObject } from "./session.js";
import type {
  App, Client, ClientStatus, ConnectOptions, ListOptions, Listed, LogEvent, Member, Off, Principal,
  ReadOptions, Session, SessionOptions, SessionStatus, Transcript,
} from "./types.js";

// Names this page: all its clients are one tab. Made when it is first needed.
let page: string | undefined;

interface PendingAct {
  /** Who shows it; nobody while its session is not open. */
  owner: Owner | undefined;
  body: string;
  end: Deferred<Sent>;
}

export class ClientObject<A extends App = App> implements Client<A>, Port {
  readonly principal: Principal | undefined;
  #options: ConnectOptions;
  #url: string;
  // Made with the first session: until then nothing is compiled, opened or listened to.
  #raw: Core | undefined;
  #status: ClientStatus = "connecting";
  #role: Client["role"] = "solo";
  #tabs = 1;
  #retryAt: number | null = null;
  #error: DurableSessionsError | null = null;
  #isClosed = false;
  #subscribers = new Subscribers();
  #sessions = new Map<string, SessionObject<A>>();
  #acts = new Map<string, PendingAct>();
  #outbox: Outbox | undefined;
  #id = "";
  // Whether tabs share a connection, the key of those that it is shared with, and what leaves its lock.
  #shares = false;
  #key: string | undefined;
  #unlock: (() => void) | undefined;
  // What it serves, on connections of their own.
  #offers: Offers<A>;
  // Who it connects as; it never connects as somebody else.
  #principal: string | undefined;
  // The token that the group was found out with, for the attempt right after.
  #early: string | null | undefined;

  constructor(url: string | URL | undefined, options: ConnectOptions) {
    this.#url = endpoint(url);
    this.#options = options;
    // Who only serves has no other connection to tell of.
    this.#offers = new Offers<A>(this.#url, options, (...status) => this.#raw || this.#setStatus(...status));
    this.principal = principal(options.as);
  }

  get status(): ClientStatus {
    return this.#status;
  }

  get role(): Client["role"] {
    return this.#role;
  }

  get tabs(): number {
    return this.#tabs;
  }

  get retryAt(): number | null {
    return this.#retryAt;
  }

  get error(): DurableSessionsError | null {
    return this.#error;
  }

  subscribe(fn: () => void): Off {
    return this.#subscribers.add(fn);
  }

  session(id: string, options: SessionOptions<A> = {}): Session<A> {
    const known = this.#sessions.get(id);
    if (known) return known.hold();
    this.raw();
    const session = new SessionObject<A>(this, id);
    this.#sessions.set(id, session);
    if (!session.open(options)) {
      this.#sessions.delete(id);
      throw failure("invalid", options.snapshot
        ? "no transcript of a session"
        : "a session's id is 1 to 128 characters out of A-Z a-z 0-9 . _ ~ -");
    }
    // What is still on its way is shown here too.
    for (const [key, act] of this.#acts) {
      if (!act.body || !key.startsWith(keyOf(id, ""))) continue;
      act.owner = session;
      session.restored(key.slice(id.length + 1), act.body);
    }
    return session;
  }

  read(id: string, { last, before }: ReadOptions = {}): Promise<Transcript<A>> {
    // Asked for by a number of messages it comes with what it takes to go on from it.
    const all = before ? undefined : Number.MAX_SAFE_INTEGER;
    return this.#get(`sessions/${encodeURIComponent(id)}/transcript`, { last: last ?? all, before });
  }

  async sessions({ prefix, after, limit }: ListOptions = {}): Promise<Listed> {
    return listed(await this.#get("sessions", { prefix, after, limit }));
  }

  serve(agent: string, handler: Handler<A>, options: ServeOptions = {}): Disposable {
    if (this.#isClosed) throw failure("closed", "the client is closed");
    return this.#offers.add({ agent, handler, options });
  }

  reconnect(): void {
    this.#raw?.({ type: "reconnect" });
    this.#offers.tell((agents) => agents.reconnect());
  }

  close({ forget = false }: { forget?: boolean } = {}): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#raw?.({ type: "close" });
    this.#offers.tell((agents) => agents.close());
    // Within a callback of the core it tells its end only later, or to nobody.
    for (const session of [...this.#sessions.values()]) session.closed(null);
    for (const key of [...this.#acts.keys()]) this.#refused(key, failure("closed", "the client is closed"));
    this.#setStatus("closed", null, null);
    this.#raw = undefined;
    if (forget) void this.#forget();
    else this.#outbox?.close(false);
  }

  [Symbol.dispose](): void {
    this.close();
  }

  // ---- What sessions need ----

  /** The core; started when there is none. @internal */
  raw(): Core {
    if (this.#isClosed) throw failure("closed", "the client is closed");
    return (this.#raw ??= this.#start());
  }

  /** @internal */
  act(owner: Owner, id: string, body: string, show: () => void, hand: (raw: Core) => boolean): Promise<Sent> {
    const key = keyOf(owner.id, id);
    const known = this.#acts.get(key);
    if (known) {
      if (known.body !== body) throw failure("id_conflict", "that id is on its way with something else");
      return known.end.promise;
    }
    const raw = this.raw();
    const act = { owner, body, end: deferred<Sent>() };
    this.#acts.set(key, act);
    show();
    if (!hand(raw)) this.#refused(key, failure("invalid", "an id is 1 to 128 bytes without control characters"));
    return act.end.promise;
  }

  /** @internal */
  detach(session: string): void {
    this.#raw?.({ type: "detach", session });
  }

  /** @internal */
  forget(session: string): void {
    this.#sessions.delete(session);
  }

  // ---- Details ----

  #start(): Core {
    const WebSocket = this.#options.WebSocket ?? (globalThis as { WebSocket?: unknown }).WebSocket;
    if (typeof WebSocket !== "function") {
      throw failure("not_supported", "there is no WebSocket here: pass one, connect(url, { WebSocket })");
    }
    const { as, token, tabs } = this.#options;
    this.#shares = tabs !== "solo" && canShare();
    this.#keep();
    return core({
      url: this.#url,
      client: (this.#id = randomId()),
      seed: Math.random(),
      as,
      hasTokens: token !== undefined,
      tabs: this.#shares,
      page: (page ??= randomId()),
      keeps: this.#outbox !== undefined,
      WebSocket,
      ignore() {},
      global: globalThis,
    }, (told) => call(() => this.#hear(told)));
  }

  // The core stands still while it tells, so nothing may be thrown at it.
  #hear(told: unknown[]): void {
    const [what, first, second, third] = told as [Told, string, string, never];
    const session = this.#sessions.get(first);
    switch (what) {
      case Told.Token:
        return void this.#token(first as unknown as number);
      case Told.Status:
        return this.#setStatus(first as ClientStatus, (second as unknown as number | undefined) ?? null, errorOf(told, 3));
      case Told.Session:
        return session?.statusChanged(second as SessionStatus, errorOf(told, 3));
      case Told.Reset:
        return session?.reset(second);
      case Told.Patches:
        return session?.patches(second, third, told, 4);
      case Told.Events:
        return session?.heard(told.slice(4) as LogEvent[]);
      case Told.Sent:
        return this.#sent(keyOf(first, second), second, { offset: third, runs: told.slice(4) as string[] });
      case Told.Refused:
        return this.#refused(keyOf(first, second), errorOf(told, 3)!);
      case Told.Group:
        return void this.#group();
      case Told.Lock:
        return this.#lock();
      case Told.Unlock:
        return this.#unlock?.();
      case Told.Role:
        this.#role = first as Client["role"];
        this.#tabs = second as unknown as number;
        return this.#subscribers.changed();
      case Told.Presence:
        return session?.presenceChanged(second as unknown as readonly Member[]);
      case Told.Store:
        return this.#store({ tab: this.#id, session: first, id: second, log: third, event: told[4] as string }, told[5]);
      case Told.Forget:
        return this.#outbox?.remove(first, second);
      case Told.Recover:
        return this.#outbox?.recover();
      case Told.Batch: {
        const [from, last, ...events] = told.slice(3) as [number, number, ...LogEvent[]];
        return session?.batch(second as unknown as number, { first: from, last, events });
      }
    }
  }

  #setStatus(status: ClientStatus, retryAt: number | null, error: DurableSessionsError | null): void {
    if (this.#isClosed && status !== "closed") return;
    this.#status = status;
    this.#retryAt = retryAt;
    this.#error = error;
    if (status === "live") this.#early = undefined;
    this.#log(error ? `${status}: ${error.message}` : status);
    this.#subscribers.changed();
  }

  #sent(key: string, id: string, sent: Sent): void {
    const act = this.#acts.get(key);
    if (!act) return;
    this.#acts.delete(key);
    act.owner?.confirmed(id, sent.offset);
    act.end.resolve(sent);
  }

  #refused(key: string, error: DurableSessionsError): void {
    const act = this.#acts.get(key);
    if (!act) return;
    this.#acts.delete(key);
    act.owner?.refused(key.slice(act.owner.id.length + 1), error);
    act.end.reject(error);
  }

  // ---- What outlives the page ----

  #keep(): void {
    const { outbox, token } = this.#options;
    if (outbox === "memory" || !canStore()) return;
    this.#outbox = new Outbox((entry) => this.#raw?.({ type: "resend", ...entry }));
    if (!token) this.#identify();
  }

  // Also what an earlier page stored, of which this one knows nothing yet.
  async #forget(): Promise<void> {
    if (!this.#outbox) this.#keep();
    if (this.#principal === undefined && this.#options.token) await this.#fetchToken();
    this.#outbox?.close(true);
  }

  // What nobody sent here was sent before, on a page that is gone.
  #store(entry: Entry, isStored: unknown): void {
    if (!isStored) this.#outbox?.put(entry);
    const { session, id, event } = entry;
    const key = keyOf(session, id);
    const known = this.#acts.get(key);
    // A stop's event is made by the core.
    if (known) return void (known.body ||= event);
    const owner = this.#sessions.get(session);
    this.#acts.set(key, { owner, body: event, end: deferred() });
    owner?.restored(id, event);
  }

  // ---- Who connects, and with which tabs ----

  async #get<T>(path: string, query: object): Promise<T> {
    if (this.#isClosed) throw failure("closed", "the client is closed");
    const { as, token } = this.#options;
    return get(this.#url, path, query, { as, token: token && (() => this.#fetchToken()) });
  }

  async #group(): Promise<void> {
    const token = this.#options.token && (await this.#fetchToken());
    this.#early = token;
    // Nobody shares with who has none: the attempt says what comes of it.
    const group = token || !this.#options.token ? await this.#groupWith(token) : undefined;
    this.#join(group);
  }

  async #token(attempt: number): Promise<void> {
    const token = this.#early ?? (await this.#fetchToken());
    this.#early = undefined;
    if (token && this.#shares) {
      const group = await this.#groupWith(token);
      if (group?.key !== this.#key) {
        // Other rights, so other tabs. Asked once more, it might have yet others, and so on for ever.
        this.#early = token;
        this.#join(group);
      }
    }
    this.#raw?.({ type: "token", attempt, token, failed: token === undefined });
  }

  // `null`: signed out; `undefined`: it failed.
  async #fetchToken(): Promise<string | null | undefined> {
    try {
      const token = (await this.#options.token!()) ?? null;
      if (token === null || this.#identify(token)) return token;
      this.#log("token() is another principal's now: close this client and connect again");
      return null;
    } catch (error) {
      this.#log(`token() failed: ${String(error)}`);
      return undefined;
    }
  }

  // Whether it is who it was, as far as that is known.
  #identify(token?: string): boolean {
    const principal = identify(this.#url, this.#options.as, token)?.principal;
    this.#principal ??= principal;
    if (this.#principal !== undefined) this.#outbox?.identify(this.#principal);
    return this.#principal === principal;
  }

  async #groupWith(token: string | null | undefined): Promise<Group | undefined> {
    const rights = identify(this.#url, this.#options.as, token ?? undefined)?.rights;
    try {
      return rights === undefined ? undefined : await groupOf(rights);
    } catch {
      return undefined;
    }
  }

  #join(group: Group | undefined): void {
    this.#key = group?.key;
    this.#raw?.({ type: "group", ...group });
  }

  #lock(): void {
    this.#unlock = lock(
      this.#key!,
      () => this.#raw?.({ type: "locked" }),
      () => this.#raw?.({ type: "lock_lost" }),
      () => {
        this.#shares = false;
        this.#join(undefined);
      },
    );
  }

  #log(line: string): void {
    if (this.#options.log) call(this.#options.log, line);
  }
}

// A session id has no space.
function keyOf(session: string, id: string): string {
  return `${session} ${id}`;
}

function errorOf(told: unknown[], at: number): DurableSessionsError | null {
  const [code, ...rest] = told.slice(at) as Problem;
  return code ? new DurableSessionsError(code, ...rest) : null;
}
