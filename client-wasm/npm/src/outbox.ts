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

/** What the database has to be told. */
interface Change {
  tell(acts: IDBObjectStore, scope: string): void;
  /** The connection over which it was told last. */
  over?: IDBDatabase;
}

const DATABASE = "durable-sessions";
const STORE = "acts";
/** The first pause before a database that failed is opened again, which doubles, and the longest. */
const PAUSE_MIN_MS = 1_000;
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
 * failed, what changes is in memory and what is looked for is still to be found: both are made up for once it
 * is. After two minutes without a success, or where there is no database, nothing more is kept.
 */
export class Outbox {
  #recovered: (entry: Entry) => void;
  #database: IDBDatabase | undefined;
  #scope: string | undefined;
  // The last change of each act until the database has it, and the look; none when there is no hope for one.
  #changes: Map<string, Change> | undefined = new Map();
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
    this.#save();
  }

  /** Stores an act: it is safe when this returns, whatever becomes of the tab. */
  put(entry: Entry): void {
    const at = (this.#last = Math.max(Date.now(), this.#last + 1));
    this.#change(`${entry.session} ${entry.id}`, (acts, scope) => acts.put({ ...entry, scope, at } satisfies Stored));
  }

  /** An act is answered. */
  remove(session: string, id: string): void {
    this.#change(`${session} ${id}`, (acts, scope) => acts.delete([scope, session, id]));
  }

  /** Looks for what is stored. */
  recover(): void {
    this.#change(ALL, (acts, scope) => {
      const request: IDBRequest<Stored[]> = acts.getAll(all(scope));
      request.onsuccess = () => {
        if (this.#isClosed) return;
        for (const entry of request.result.sort((one, other) => one.at - other.at)) this.#recovered(entry);
      };
    });
  }

  /** Ends it; with `forget` nothing of this principal stays stored. */
  close(forget: boolean): void {
    this.#isClosed = true;
    // One that failed is tried once more, and not after that.
    if (this.#timer || !this.#changes) {
      clearTimeout(this.#timer);
      this.#open();
    }
    if (forget) {
      this.#changes = new Map();
      this.#change(ALL, (acts, scope) => acts.delete(all(scope)));
    }
    this.#save();
  }

  // ---- Details ----

  // One that is blocked, since another tab deletes it, opens when that is done.
  #open(): void {
    this.#timer = undefined;
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
        this.#save();
      };
    } catch {
      this.#changes = undefined;
    }
  }

  // It could not be opened, read or written, or is closed by the browser or for another tab.
  #fail = () => {
    this.#database?.close();
    this.#database = undefined;
    if (this.#isClosed || this.#timer) return;
    if (this.#pause > PAUSE_MAX_MS) this.#changes = undefined;
    else this.#timer = setTimeout(() => this.#open(), this.#pause);
    this.#pause *= 2;
  };

  #change(key: string, tell: Change["tell"]): void {
    this.#changes?.set(key, { tell });
    this.#save();
  }

  #save(): void {
    const database = this.#database;
    if (database && this.#scope !== undefined) this.#write(database, this.#scope);
    // What was begun is still done.
    if (this.#isClosed) database?.close();
  }

  // The commit is in the task of the call: a tab that is killed in that very task has stored it.
  #write(database: IDBDatabase, scope: string): void {
    const changes = [...(this.#changes ?? [])].filter(([, { over }]) => over !== database);
    if (!changes.length) return;
    const failed = () => this.#database === database && this.#fail();
    try {
      const transaction = database.transaction(STORE, "readwrite");
      transaction.onabort = failed;
      transaction.oncomplete = () => {
        this.#pause = PAUSE_MIN_MS;
        for (const [key, change] of changes) if (this.#changes?.get(key) === change) this.#changes.delete(key);
      };
      for (const [, change] of changes) {
        change.over = database;
        change.tell(transaction.objectStore(STORE), scope);
      }
      transaction.commit();
    } catch {
      failed();
    }
  }
}

// Stands for no act: theirs are a session's id, which has no space, and their own.
const ALL = "";

// All keys of a principal: an array comes after every text.
function all(scope: string): IDBKeyRange {
  return IDBKeyRange.bound([scope], [scope, []]);
}
