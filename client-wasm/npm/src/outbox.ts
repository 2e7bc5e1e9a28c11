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

/** Whether there is a database at all. */
export function canStore(): boolean {
  try {
    return !!indexedDB;
  } catch {
    return false;
  }
}

/**
 * The acts of one principal. Nothing of it throws: what cannot be stored is only in memory, as everything
 * is where there is no database.
 */
export class Outbox {
  #recovered: (entries: Entry[]) => void;
  #database: IDBDatabase | undefined;
  #scope: string | undefined;
  // What happened before the database was open and the principal known.
  #early = new Map<string, Entry>();
  #recovers = false;
  #forgets = false;
  #isClosed = false;
  #last = 0;

  /** Opens it; `recovered` is called with what {@link recover} finds, in the order of the sends. */
  constructor(recovered: (entries: Entry[]) => void) {
    this.#recovered = recovered;
    try {
      const request = indexedDB.open(DATABASE, 1);
      request.onupgradeneeded = () => {
        request.result.createObjectStore(STORE, { keyPath: ["scope", "session", "id"] });
      };
      request.onsuccess = () => {
        const database = request.result;
        // A newer version of this package in another tab need not wait for this one.
        database.onversionchange = () => database.close();
        this.#database = database;
        this.#begin();
      };
    } catch {
      // There is none here.
    }
  }

  /** Says whose acts they are. */
  identify(principal: string): void {
    if (this.#scope !== undefined) return;
    this.#scope = principal;
    this.#begin();
  }

  /** Stores an act: it is safe when this returns, whatever becomes of the tab. */
  put(entry: Entry): void {
    if (this.#scope === undefined || !this.#database) {
      this.#early.set(`${entry.session} ${entry.id}`, entry);
      return;
    }
    this.#last = Math.max(Date.now(), this.#last + 1);
    const stored: Stored = { ...entry, scope: this.#scope, at: this.#last };
    this.#write((acts) => acts.put(stored));
  }

  /** An act is answered. */
  remove(session: string, id: string): void {
    this.#early.delete(`${session} ${id}`);
    this.#write((acts, scope) => acts.delete([scope, session, id]));
  }

  /** Looks for what is stored. */
  recover(): void {
    this.#recovers = true;
    this.#within("readonly", (acts, scope) => {
      this.#recovers = false;
      const request: IDBRequest<Stored[]> = acts.getAll(all(scope));
      request.onsuccess = () => {
        if (!this.#isClosed) this.#recovered(request.result.sort((one, other) => one.at - other.at));
      };
    });
  }

  /** Ends it; with `forget` nothing of this principal stays stored. */
  close(forget: boolean): void {
    this.#isClosed = true;
    this.#forgets = forget;
    this.#begin();
  }

  // ---- Details ----

  // Makes up for what came too early.
  #begin(): void {
    if (this.#scope !== undefined && this.#database) {
      for (const entry of this.#early.values()) this.put(entry);
      this.#early.clear();
      if (this.#forgets) this.#write((acts, scope) => acts.delete(all(scope)));
      else if (this.#recovers) this.recover();
    }
    // What was begun is still done.
    if (this.#isClosed) this.#database?.close();
  }

  // The commit is in the task of the call: a tab that is killed in that very task has stored it.
  #write(write: (acts: IDBObjectStore, scope: string) => void): void {
    this.#within("readwrite", (acts, scope) => {
      write(acts, scope);
      acts.transaction.commit();
    });
  }

  #within(mode: IDBTransactionMode, act: (acts: IDBObjectStore, scope: string) => void): void {
    if (this.#scope === undefined) return;
    try {
      const acts = this.#database?.transaction(STORE, mode).objectStore(STORE);
      if (acts) act(acts, this.#scope);
    } catch {
      // The browser closed it: from here on they are only in memory.
    }
  }
}

// All keys of a principal: an array comes after every text.
function all(scope: string): IDBKeyRange {
  return IDBKeyRange.bound([scope], [scope, []]);
}
