// What was sent and is not answered, in IndexedDB: it survives its tab, and any tab may send it again.

/** An act as it is stored. */
export interface Entry {
  /** The client that sends it while it lives. */
  tab: string;
  session: string;
  id: string;
  /** The log it is meant for. */
  log: string | undefined;
  /** The event's JSON. */
  event: string;
}

interface Stored extends Entry {
  scope: string;
  /** Orders what one tab stored; about the time, in ms. */
  at: number;
}

const DATABASE = "durable-sessions";
const STORE = "acts";
/** The first pause before a database that failed is opened again, which doubles, and the longest. */
const PAUSE_MIN_MS = 500;
const PAUSE_MAX_MS = 64_000;

/** Whether there is a database at all. */
export function canStore(): boolean {
  try {
    return !!indexedDB;
  } catch {
    return false;
  }
}

/**
 * The acts of one principal. Nothing of it throws. While the database is not open, not yet or because it
 * failed, what is put is in memory and what is looked for is still to be found: both are made up for once it
 * is. After two minutes of failures, or where there is no database, it stays at that.
 */
export class Outbox {
  #recovered: (entry: Entry) => void;
  #database: IDBDatabase | undefined;
  #scope: string | undefined;
  // What was put while the database is not open, or the principal not known.
  #early = new Map<string, Entry>();
  #recovers = false;
  #forgets = false;
  #isClosed = false;
  #last = 0;
  #pause = PAUSE_MIN_MS;
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** Opens it; `recovered` is called with each act that {@link recover} finds, in the order of the sends. */
  constructor(recovered: (entry: Entry) => void) {
    this.#recovered = recovered;
    this.#open();
  }

  /** Says whose acts they are. */
  identify(principal: string): void {
    this.#scope ??= principal;
    this.#begin();
  }

  /** Stores an act: it is safe when this returns, whatever becomes of the tab. */
  put(entry: Entry): void {
    this.#early.set(`${entry.session} ${entry.id}`, entry);
    this.#begin();
  }

  /** An act is answered. */
  remove(session: string, id: string): void {
    this.#early.delete(`${session} ${id}`);
    this.#within((acts, scope) => acts.delete([scope, session, id]));
  }

  /** Looks for what is stored. */
  recover(): void {
    this.#recovers = true;
    this.#within((acts, scope) => {
      const request: IDBRequest<Stored[]> = acts.getAll(all(scope));
      this.#recovers = false;
      request.onerror = () => {
        this.#recovers = true;
        this.#fail();
      };
      request.onsuccess = () => {
        if (this.#isClosed) return;
        for (const entry of request.result.sort((one, other) => one.at - other.at)) this.#recovered(entry);
      };
    });
  }

  /** Ends it; with `forget` nothing of this principal stays stored. */
  close(forget: boolean): void {
    this.#isClosed = true;
    this.#forgets = forget;
    // One that failed is tried once more, and not after that.
    if (this.#timer) this.#open();
    this.#begin();
  }

  // ---- Details ----

  // One that is blocked, since another tab deletes it, opens when that is done.
  #open(): void {
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(STORE, { keyPath: ["scope", "session", "id"] });
      };
      request.onerror = this.#fail;
      request.onsuccess = () => {
        const database = request.result;
        // A newer version of this package in another tab need not wait for this one.
        database.onversionchange = database.onclose = this.#fail;
        this.#database = database;
        this.#begin();
      };
    } catch {
      // There is none here.
    }
  }

  // It could not be opened or read, or is closed by the browser or for another tab.
  #fail = () => {
    this.#database?.close();
    this.#database = undefined;
    clearTimeout(this.#timer);
    if (!this.#isClosed && this.#pause < PAUSE_MAX_MS) this.#timer = setTimeout(() => this.#open(), (this.#pause *= 2));
  };

  // Makes up for what came too early.
  #begin(): void {
    for (const [key, entry] of this.#early) {
      this.#within((acts, scope) => {
        const stored: Stored = { ...entry, scope, at: (this.#last = Math.max(Date.now(), this.#last + 1)) };
        acts.put(stored);
        this.#early.delete(key);
      });
    }
    if (this.#forgets) this.#within((acts, scope) => acts.delete(all(scope)));
    else if (this.#recovers) this.recover();
    // What was begun is still done.
    if (this.#isClosed) this.#database?.close();
  }

  // The commit is in the task of the call: a tab that is killed in that very task has stored it.
  #within(act: (acts: IDBObjectStore, scope: string) => void): void {
    if (this.#scope === undefined || !this.#database) return;
    try {
      const transaction = this.#database.transaction(STORE, "readwrite");
      act(transaction.objectStore(STORE), this.#scope);
      transaction.commit();
    } catch {
      this.#fail();
    }
  }
}

// All keys of a principal: an array comes after every text.
function all(scope: string): IDBKeyRange {
  return IDBKeyRange.bound([scope], [scope, []]);
}
