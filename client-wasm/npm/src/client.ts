import { core } from "./core.js";
import { Told, type Core, type Problem } from "./border.js";
import { deferred, type Deferred } from "./deferred.js";
import { DurableSessionsError, failure } from "./errors.js";
import { randomId } from "./id.js";
import { call, Subscribers } from "./schedule.js";
import { SessionObject, type Owner, type Port, type Sent } from "./session.js";
import type {
  App, Client, ClientStatus, ConnectOptions, LogEvent, Off, Principal, Session, SessionOptions,
  SessionStatus,
} from "./types.js";

/** Where a server takes connections, when a url names no path. */
const CONNECT_PATH = "/v1/connect";

interface PendingAct {
  owner: Owner;
  body: string;
  end: Deferred<Sent>;
}

export class ClientObject<A extends App = App> implements Client<A>, Port {
  readonly role = "solo";
  readonly principal: Principal | undefined;
  #options: ConnectOptions;
  #url: string;
  // Made with the first session: until then nothing is compiled, opened or listened to.
  #raw: Core | undefined;
  #status: ClientStatus = "connecting";
  #retryAt: number | null = null;
  #error: DurableSessionsError | null = null;
  #isClosed = false;
  #subscribers = new Subscribers();
  #sessions = new Map<string, SessionObject<A>>();
  // How often the core still has to tell the end of a session that was left. What it tells before
  // is about what was left, not about a session object of that id made since.
  #leaving = new Map<string, number>();
  #acts = new Map<string, PendingAct>();

  constructor(url: string | URL | undefined, options: ConnectOptions) {
    this.#url = endpoint(url);
    this.#options = options;
    this.principal = principal(options.as);
  }

  get status(): ClientStatus {
    return this.#status;
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
    if (options.last !== undefined) throw failure("not_supported", "a session is shown from its start for now");
    if (options.snapshot !== undefined) throw failure("not_supported", "a session starts without a snapshot for now");
    const known = this.#sessions.get(id);
    if (known) return known;
    const raw = this.raw();
    const session = new SessionObject<A>(this, id);
    this.#sessions.set(id, session);
    if (!raw({ type: "attach", session: id, events: false })) {
      this.#sessions.delete(id);
      throw failure("invalid", "a session's id is 1 to 128 characters out of A-Z a-z 0-9 . _ ~ -");
    }
    return session;
  }

  reconnect(): void {
    this.#raw?.({ type: "reconnect" });
  }

  close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#raw?.({ type: "close" });
    // Within a callback of the core it tells its end only later, or to nobody.
    for (const session of [...this.#sessions.values()]) session.closed(null);
    for (const key of [...this.#acts.keys()]) this.#refused(key, failure("closed", "the client was closed"));
    this.#setStatus("closed", null, null);
    this.#raw = undefined;
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
    this.#leaving.set(session, (this.#leaving.get(session) ?? 0) + 1);
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
    const { as, token } = this.#options;
    return core({
      url: this.#url,
      client: randomId(),
      seed: Math.random(),
      as,
      hasTokens: token !== undefined,
      WebSocket,
      ignore() {},
      global: globalThis,
    }, (told) => call(() => this.#hear(told)));
  }

  // The core stands still while it tells, so nothing may be thrown at it.
  #hear(told: unknown[]): void {
    const [what, first, second, third] = told as [Told, string, string, never];
    switch (what) {
      case Told.Token:
        return void this.#token(first as unknown as number);
      case Told.Status:
        return this.#setStatus(first as ClientStatus, (second as unknown as number | undefined) ?? null, errorOf(told, 3));
      case Told.Session:
        return this.#sessionStatus(first, second as SessionStatus, errorOf(told, 3));
      case Told.Reset:
        return this.#present(first)?.reset(second);
      case Told.Patches:
        return this.#present(first)?.patches(second, third, told, 4);
      case Told.Events: {
        const batch = { first: second as unknown as number, last: third, events: told.slice(4) as LogEvent[] };
        return this.#present(first)?.batch(batch);
      }
      case Told.Sent:
        return this.#sent(keyOf(first, second), second, { offset: third, runs: told.slice(4) as string[] });
      case Told.Refused:
        return this.#refused(keyOf(first, second), errorOf(told, 3)!);
    }
  }

  #sessionStatus(id: string, status: SessionStatus, error: DurableSessionsError | null): void {
    const leaving = this.#leaving.get(id);
    if (leaving === undefined) this.#sessions.get(id)?.statusChanged(status, error);
    else if (status === "closed" && leaving === 1) this.#leaving.delete(id);
    else if (status === "closed") this.#leaving.set(id, leaving - 1);
  }

  #present(id: string): SessionObject<A> | undefined {
    return this.#leaving.has(id) ? undefined : this.#sessions.get(id);
  }

  #setStatus(status: ClientStatus, retryAt: number | null, error: DurableSessionsError | null): void {
    if (this.#isClosed && status !== "closed") return;
    this.#status = status;
    this.#retryAt = retryAt;
    this.#error = error;
    if (this.#options.log) call(this.#options.log, error ? `${status}: ${error.message}` : status);
    this.#subscribers.changed();
  }

  #sent(key: string, id: string, sent: Sent): void {
    const act = this.#acts.get(key);
    if (!act) return;
    this.#acts.delete(key);
    act.owner.confirmed(id, sent.offset);
    act.end.resolve(sent);
  }

  #refused(key: string, error: DurableSessionsError): void {
    const act = this.#acts.get(key);
    if (!act) return;
    this.#acts.delete(key);
    act.owner.refused(key.slice(act.owner.id.length + 1), error);
    act.end.reject(error);
  }

  async #token(attempt: number): Promise<void> {
    let token: string | null | undefined;
    try {
      token = (await this.#options.token?.()) ?? null;
    } catch (error) {
      if (this.#options.log) call(this.#options.log, `token() failed: ${String(error)}`);
    }
    this.#raw?.({ type: "token", attempt, token, failed: token === undefined });
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

/** The WebSocket address of a server: of the page's own without a url. */
function endpoint(url: string | URL | undefined): string {
  const page = (globalThis as { location?: { href: string } }).location?.href;
  let address: URL;
  try {
    address = new URL(url ?? "/", page);
  } catch {
    throw failure("invalid", url === undefined ? "connect() needs a url where there is no page" : `not a url: ${String(url)}`);
  }
  address.protocol = address.protocol.replace(/^http/, "ws");
  if (!/^wss?:$/.test(address.protocol)) throw failure("invalid", `not a url of a server: ${address.href}`);
  if (address.pathname === "/") address.pathname = CONNECT_PATH;
  address.hash = "";
  return address.href;
}

function principal(as: string | undefined): Principal | undefined {
  const slash = as?.indexOf("/") ?? -1;
  if (as === undefined || slash < 0) return undefined;
  return { kind: as.slice(0, slash) as Principal["kind"], id: as.slice(slash + 1) };
}
